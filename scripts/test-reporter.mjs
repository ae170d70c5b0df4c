// A reporter for vitest: writes the result of a run to the file that TEST_RESULT names, for test-summary.mjs.
import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

export default class TestReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map(describeFile);
    const unhandled = unhandledErrors.map(({ message }) => message);
    writeFileSync(process.env.TEST_RESULT, JSON.stringify({ files, unhandled }));
  }
}

function describeFile(module) {
  return {
    project: module.project.name,
    file: module.relativeModuleId,
    /** Tests and hooks, in milliseconds. */
    duration: module.diagnostic().duration,
    errors: module.errors().map(describeError),
    tests: [...module.children.allTests()].map(describeTest),
    suiteErrors: [...module.children.allSuites()].flatMap((suite) => suite.errors().map(describeError)),
  };
}

function describeTest(test) {
  const { state, errors = [], note } = test.result();
  const { duration = 0, flaky = false } = test.diagnostic() ?? {};
  return { name: test.fullName, state, duration, flaky, note, errors: errors.map(describeError) };
}

/** The message without the stack, and the end of what a program said that failed. */
function describeError({ message }) {
  return stripVTControlCharacters(message ?? '')
    .trim()
    .split(/\n\s+at /, 1)[0]
    .split(/\n+/)
    .slice(0, 12)
    .join('\n    ')
    .slice(0, 3000);
}
