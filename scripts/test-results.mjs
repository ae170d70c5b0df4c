#!/usr/bin/env node
// Reads the reports of vitest that scripts/test.sh keeps in a folder: `RUN.json`, and `RUN.again.json` of the files that were run once more.
//   test-results.mjs failed-files FOLDER RUN   the test files that failed in a run, one a line
//   test-results.mjs summary FOLDER N          what failed, with the first lines of why, and the counts; N failures of other kinds count
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [command, folder, argument] = process.argv.slice(2);
if (command === 'failed-files') {
  const files = failuresOf(reportOf(argument)).map(({ file }) => file);
  console.log([...new Set(files)].join('\n'));
} else if (command === 'summary') {
  summarize(Number(argument));
} else {
  throw new Error(`test-results.mjs knows no ${command}`);
}

function reportOf(run) {
  return JSON.parse(readFileSync(join(folder, `${run}.json`), 'utf8'));
}

/** A file that did not even run to its end counts as one failure. */
function failuresOf(report) {
  return report.testResults
    .filter(({ status }) => status === 'failed')
    .flatMap((result) => {
      const { message, assertionResults } = result;
      const file = fileOf(result);
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      if (failed.length === 0) return [{ file, test: '(did not run to its end)', why: message }];
      return failed.map(({ fullName, failureMessages }) => ({
        file,
        test: fullName,
        why: failureMessages[0],
      }));
    });
}

function fileOf({ name }) {
  return name.replace(/^.*\/(?=test\/)/, '');
}

function summarize(others) {
  const counts = { passed: 0, failed: others, skipped: 0 };
  const runs = folder === '' ? [] : namesOf(readdirSync(folder));
  if (folder !== '' && runs.length === 0) counts.failed += 1;
  for (const run of runs) {
    const report = reportOf(run);
    const first = failuresOf(report);
    const again = existsSync(join(folder, `${run}.again.json`))
      ? reportOf(`${run}.again`)
      : { testResults: [] };
    // What did not run once more stays what it was.
    const rerun = new Set(again.testResults.map(fileOf));
    const failed = [...failuresOf(again), ...first.filter(({ file }) => !rerun.has(file))];
    const keys = new Set(failed.map(keyOf));
    for (const failure of first.filter((each) => !keys.has(keyOf(each)))) tell('unsteady', run, failure);
    for (const failure of failed) tell('failed', run, failure);
    counts.passed += report.numPassedTests + first.length - failed.length;
    counts.failed += failed.length;
    counts.skipped += report.numPendingTests + report.numTodoTests;
  }
  console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

function namesOf(reports) {
  return reports.flatMap((file) => (file.endsWith('.again.json') ? [] : file.replace(/\.json$/, '')));
}

function keyOf({ file, test }) {
  return `${file} ${test}`;
}

/** Without where in the code that was; of a program that failed, what it said. */
function tell(what, run, { file, test, why = '' }) {
  const lines = why
    .trim()
    .split(/\n\s+at /, 1)[0]
    .split(/\n+/)
    .slice(0, 12);
  console.log(`${what}: ${run}: ${file}: ${test}: ${lines.join('\n    ').slice(0, 3000)}`);
}
