/** Compose's variable syntax: `$A`, `${A}`, `${A:-word}`, `${A:?word}`, `${A:+word}`, words nested, `$$` for a dollar. */

export interface VariablePart {
  name: string;
  operator: '' | ':-' | '-' | ':?' | '?' | ':+' | '+';
  word: Part[];
}

export type Part = string | VariablePart;
export type Lookup = (name: string) => string | undefined;

const TOKEN =
  /\$\$|\$\{(?<braced>[A-Za-z_]\w*)(?<operator>:?[-?+])?|\$(?<plain>[A-Za-z_]\w*)|(?<open>\{)|(?<close>\})/g;

/** What compose would refuse (`${`, `$1`) is taken as plain text. */
export function parseTemplate(text: string): Part[] {
  return parseUntilBrace(text, 0, false).parts;
}

function parseUntilBrace(text: string, start: number, nested: boolean): { parts: Part[]; end: number } {
  const parts: Part[] = [];
  let plain = '';
  let braces = 0;
  let at = start;
  const add = (part: VariablePart) => {
    if (plain !== '') parts.push(plain);
    plain = '';
    parts.push(part);
  };
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (!token) break;
    plain += text.slice(at, token.index);
    at = token.index + token[0].length;
    const groups = token.groups ?? {};
    if (token[0] === '$$') plain += '$';
    else if (groups['plain'] !== undefined) add({ name: groups['plain'], operator: '', word: [] });
    else if (groups['braced'] !== undefined) {
      const operator = asOperator(groups['operator']);
      const inner = parseUntilBrace(text, at, true);
      const closed = text[inner.end - 1] === '}' && (operator !== '' || inner.end === at + 1);
      if (closed) {
        add({ name: groups['braced'], operator, word: inner.parts });
        at = inner.end;
      } else plain += token[0];
    } else if (groups['open'] !== undefined) {
      braces += 1;
      plain += '{';
    } else if (nested && braces === 0) {
      if (plain !== '') parts.push(plain);
      return { parts, end: at };
    } else {
      braces -= 1;
      plain += '}';
    }
  }
  plain += text.slice(at);
  if (plain !== '') parts.push(plain);
  return { parts, end: text.length + 1 }; // past the end: no brace closed it
}

const OPERATORS = [':-', '-', ':?', '?', ':+', '+'] as const;

function asOperator(text: string | undefined): VariablePart['operator'] {
  return OPERATORS.find((operator) => operator === text) ?? '';
}

/** Every variable named, those inside of default words included. */
export function variableNames(parts: Part[]): string[] {
  return parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name, ...variableNames(part.word)]));
}

/** Every variable that any text inside of `value` interpolates. Anchors may have made it a graph, with circles. */
export function variablesIn(value: unknown): string[] {
  const seen = new Set<object>();
  const inside = (one: unknown): string[] => {
    if (typeof one === 'string') return one.includes('$') ? variableNames(parseTemplate(one)) : [];
    if (typeof one !== 'object' || one === null || seen.has(one)) return [];
    seen.add(one);
    return Object.values(one).flatMap(inside);
  };
  return inside(value);
}

/** A missing required variable gives nothing: refusing is compose's business. */
export function render(parts: Part[], lookup: Lookup): string {
  return parts.map((part) => (typeof part === 'string' ? part : renderVariable(part, lookup))).join('');
}

function renderVariable({ name, operator, word }: VariablePart, lookup: Lookup): string {
  const value = lookup(name);
  const counts = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  if (operator.endsWith('+')) return counts ? render(word, lookup) : '';
  if (operator.endsWith('-')) return counts ? (value ?? '') : render(word, lookup);
  return value ?? '';
}

/** `render` of a text. */
export function interpolate(text: string, lookup: Lookup): string {
  return text.includes('$') ? render(parseTemplate(text), lookup) : text;
}

const MAX_UNKNOWN = 4;
const MAX_LENGTH = 4096;

/**
 * The values that variables must have had for `template` to give `actual`; known variables stand for their value. Undefined when no values
 * do. A guess where two variables touch: to be confirmed. Long texts with many variables are not tried: matching them is slow.
 */
export function matchTemplate(
  template: Part[],
  actual: string,
  known: Lookup,
): Record<string, string> | undefined {
  const names: string[] = [];
  const pattern = template.map((part) => {
    if (typeof part === 'string') return escapeRegExp(part);
    const value = known(part.name);
    if (value !== undefined) return escapeRegExp(renderVariable(part, known));
    if (part.operator.endsWith('+')) return `(?:${escapeRegExp(render(part.word, known))})?`;
    const seen = names.indexOf(part.name);
    if (seen !== -1) return `\\${seen + 1}(?!\\d)`;
    names.push(part.name);
    return '([^]*)';
  });
  if (names.length > MAX_UNKNOWN || actual.length > MAX_LENGTH) return undefined;
  const match = new RegExp(`^${pattern.join('')}$`).exec(actual);
  if (!match) return undefined;
  return Object.fromEntries(names.map((name, index) => [name, match[index + 1] ?? '']));
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
