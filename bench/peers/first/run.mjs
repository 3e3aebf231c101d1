// From before the import of a library to its first trained step in hand: prints the milliseconds. The argument is a module
// that takes that step.
const begin = performance.now();
const { first } = await import(process.argv[2]);
const loss = await first();
console.log(JSON.stringify({ ms: performance.now() - begin, loss }));
process.exit(0);
