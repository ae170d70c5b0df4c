#!/usr/bin/env node
// Prints the summary of the runs whose results test-reporter.mjs wrote:
//   test-summary.mjs FOLDER N    the slowest files and tests, failures, flaky tests, and the counts; N failures of checks count too
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SLOWEST = 20;

const [folder, checkFailures] = process.argv.slice(2);
const runs = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
const files = runs.flatMap((run) => run.files);
const tests = files.flatMap(({ project, file, tests: own }) =>
  own.map((test) => ({ project, file, ...test })),
);

printSlowest(
  'files',
  files.map(({ project, file, duration }) => [duration, `${project}: ${file}`]),
);
printSlowest(
  'tests',
  tests.map(({ project, file, name, duration }) => [duration, `${project}: ${file}: ${name}`]),
);
const failures = [
  ...runs.flatMap(({ unhandled }) => unhandled.map((message) => ['unhandled error', message])),
  ...files.flatMap(({ project, file, errors, suiteErrors }) =>
    [...errors, ...suiteErrors].map((message) => [`${project}: ${file}`, message]),
  ),
  ...tests
    .filter(({ state }) => state === 'failed')
    .map(({ project, file, name, errors }) => [`${project}: ${file}: ${name}`, errors[0]]),
];
for (const { project, file, name, errors } of tests.filter(({ flaky }) => flaky)) {
  console.log(`flaky: ${project}: ${file}: ${name}: ${errors[0]}`);
}
for (const [where, message] of failures) console.log(`failed: ${where}: ${message}`);

const count = (...states) => tests.filter(({ state }) => states.includes(state)).length;
const failed = failures.length + Number(checkFailures) + (runs.length === 0 ? 1 : 0);
console.log(`tests: ${count('passed')} passed, ${failed} failed, ${count('skipped', 'pending')} skipped`);

function printSlowest(what, rows) {
  console.log(`slowest ${what}:`);
  for (const [duration, name] of rows.toSorted((a, b) => b[0] - a[0]).slice(0, SLOWEST)) {
    console.log(`${(duration / 1000).toFixed(1).padStart(8)} s  ${name}`);
  }
}
