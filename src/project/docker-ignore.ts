/** `.dockerignore` as Docker reads it: github.com/moby/patternmatcher, whose rules are neither git's nor those of a shell. Pure. */

interface Pattern {
  /** Of a line with `!`: takes in what an earlier line left out. */
  isException: boolean;
  /** Relative to the context, with `/`. */
  matches: (path: string) => boolean;
}

export interface DockerIgnore {
  patterns: readonly Pattern[];
}

/** Lines that Docker refuses (`[`, `!` alone) leave nothing out here: its build fails on them anyway. */
export function parseDockerIgnore(text: string): DockerIgnore {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  return { patterns: lines.flatMap((line) => parseLine(line) ?? []) };
}

/** Whether a build is spared this path. As BuildKit goes down the tree: a pattern that matched a directory matches all below it. */
export function isIgnored({ patterns }: DockerIgnore, path: string): boolean {
  const names = path.split('/');
  let matchedAbove = patterns.map(() => false);
  let ignored = false;
  for (const depth of names.keys()) {
    const place = names.slice(0, depth + 1).join('/');
    ignored = false;
    const matched: boolean[] = [];
    for (const [index, { isException, matches }] of patterns.entries()) {
      // Only a pattern that would change the outcome is looked at; but the matches of the directory above count always.
      const hit = matchedAbove[index] === true || (isException === ignored && matches(place));
      matched.push(hit);
      if (hit) ignored = !isException;
    }
    matchedAbove = matched;
  }
  return ignored;
}

function parseLine(line: string): Pattern | undefined {
  if (line.startsWith('#')) return undefined;
  const text = line.trim();
  const isException = text.startsWith('!');
  const pattern = clean(isException ? text.slice(1).trim() : text);
  const matches = pattern === '' ? undefined : matcherOf(pattern);
  return matches && { isException, matches };
}

/** Go's filepath.Clean, and without the slash that begins it: all patterns are relative to the context. */
function clean(pattern: string): string {
  if (pattern === '') return '';
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!pattern.startsWith('/')) parts.push(part);
  }
  return parts.join('/') || '.';
}

/** Undefined for a pattern that is none. */
function matcherOf(pattern: string): ((path: string) => boolean) | undefined {
  try {
    const expression = new RegExp(`^${expressionOf(pattern)}$`);
    return (path) => expression.test(path);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function expressionOf(pattern: string): string {
  let expression = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '*' && pattern[at + 1] === '*') {
      at += pattern[at + 2] === '/' ? 2 : 1;
      const isLast = at + 1 >= pattern.length;
      // `**foo` at the beginning is the end of any path; elsewhere `**` stands for whole directories.
      const isSuffix = expression === '' && pattern[at] === '*' && isPlain(pattern.slice(at + 1));
      expression += isLast || isSuffix ? '.*' : '(?:.*/)?';
    } else if (character === '*') expression += '[^/]*';
    else if (character === '?') expression += '[^/]';
    else if (character === '\\') {
      at += 1;
      expression += at < pattern.length ? `\\${pattern.charAt(at)}` : '\\\\';
    } else expression += '.+()|{}$'.includes(character) ? `\\${character}` : character;
  }
  return expression;
}

const isPlain = (pattern: string) => !/[*?[\]\\]/.test(pattern);
