// A page that trains. What came of it goes to the console: a policy may forbid the test to evaluate anything here.
import { train } from "./train.js";

const tell = (outcome) => console.log(`outcome ${JSON.stringify(outcome)}`);
train().then(tell, (error) => tell({ error: `${error?.message ?? error}`, stack: error?.stack }));
