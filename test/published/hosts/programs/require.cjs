// The package by `require`. train.cjs is train.mjs in the older form.
const w = require("wasmgrad");
const { told, train } = require("./train.cjs");

train(w).then((result) => console.log(told(result)));
