/** What can be told of a Dockerfile or Containerfile without building: where it does not parse. Both engines' builders read the same language. */

export interface BuildFileError {
  /** From 1. */
  line: number;
  problem: string;
}

const INSTRUCTIONS = new Set([
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
]);
/** Instructions that may have the text of files behind them: `<<EOF`. */
const WITH_TEXTS = new Set(['ADD', 'COPY', 'RUN']);
const COMMENT = /^\s*(?:#|$)/;

interface Instruction {
  line: number;
  name: string;
  rest: string;
  /** Ends of texts that were looked for and not found. */
  unended: string[];
}

/** All errors, from the top. */
export function buildFileErrors(text: string): BuildFileError[] {
  const instructions = readInstructions(text);
  const start = instructions.find(({ name }) => name !== 'ARG');
  if (!start) return [{ line: 1, problem: 'it has no FROM: nothing would be built' }];
  const first = INSTRUCTIONS.has(start.name) && start.name !== 'FROM' ? [start] : [];
  return [
    ...first.map(({ line, name }) => ({ line, problem: `${name} comes before the first FROM` })),
    ...instructions.flatMap(problemsOf),
  ].toSorted((a, b) => a.line - b.line);
}

/** What its RUN instructions have the shell do, as a builder gives it to the shell. */
export function shellTexts(text: string): string[] {
  return readInstructions(text).flatMap(({ name, rest }) => (name === 'RUN' ? [rest] : []));
}

function problemsOf({ line, name, rest, unended }: Instruction): BuildFileError[] {
  const problem = (text: string) => [{ line, problem: text }];
  if (!INSTRUCTIONS.has(name)) return problem(`unknown instruction ${name}`);
  if (rest === '') return problem(`${name} has no arguments`);
  if (name === 'ONBUILD') return problemsOf({ line, unended, ...split(rest) });
  if (name === 'FROM' && !/^(?:--\S+\s+)*\S+(?:\s+AS\s+\S+)?$/i.test(rest)) {
    return problem('FROM takes an image, and AS with a name behind it');
  }
  if ((name === 'COPY' || name === 'ADD') && unended.length === 0 && wordsOf(rest).length < 2) {
    return problem(`${name} takes what is copied, and to where`);
  }
  return unended.flatMap((end) => problem(`the text that ${name} begins has no ${end} at its end`));
}

/** Arguments without flags. Those in brackets count as enough: they are JSON, or a word for the shell. */
function wordsOf(rest: string): string[] {
  const plain = rest.replace(/^(?:--\S+\s+)+/, '');
  return plain.startsWith('[') ? plain.split(',') : plain.split(/\s+/);
}

function split(text: string): { name: string; rest: string } {
  const [, name = '', rest = ''] = /^\s*(\S*)\s*(.*)$/s.exec(text) ?? [];
  return { name: name.toUpperCase(), rest: rest.trim() };
}

/** One each, with the lines that continue it put together; comments in between do not end it. */
function readInstructions(text: string): Instruction[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const more = escapeOf(lines) === '`' ? /`[ \t]*$/ : /\\[ \t]*$/;
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    if (COMMENT.test(lines[at] ?? '')) continue;
    const line = at + 1;
    let whole = lines[at] ?? '';
    while (more.test(whole) && at + 1 < lines.length) {
      at += 1;
      const next = lines[at] ?? '';
      whole = COMMENT.test(next) ? whole : whole.replace(more, '') + next;
    }
    const { name, rest } = split(whole.replace(more, ''));
    const unended: string[] = [];
    for (const { end, indented } of WITH_TEXTS.has(name) ? textsOf(rest) : []) {
      const ends = (one: string) => (indented ? one.replace(/^\t+/, '') : one) === end;
      const found = lines.findIndex((one, index) => index > at && ends(one));
      if (found === -1) unended.push(end);
      else at = found;
    }
    instructions.push({ line, name, rest, unended });
  }
  return instructions;
}

/** `# escape=` on one of the first lines. */
function escapeOf(lines: string[]): string {
  for (const line of lines) {
    const [, name, value = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    if (name === undefined) return '\\';
    if (name.toLowerCase() === 'escape') return value;
  }
  return '\\';
}

/** The ends of the texts that follow an instruction: `<<EOF`, `<<-"EOF"`; not bash's `<<<`, not arithmetic. */
function textsOf(rest: string): { end: string; indented: boolean }[] {
  return [...rest.matchAll(/(?<!<)<<(-?)(["']?)([A-Za-z_]\w*)\2/g)].map(([, dash, , end = '']) => ({
    end,
    indented: dash === '-',
  }));
}
