import { composeModelSchema, type ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';

/** The one place of this floor that loads the schema library: imported while compose itself is reading. */

/** Checks what a provider printed. Throws `provider-failed` with the places that do not fit, never their values. */
export function readModel(document: unknown, provider: string): ComposeModel {
  const result = composeModelSchema.safeParse(document);
  if (result.success) return result.data;
  throw new RollbackError('provider-failed', `\`${provider} config\` printed a model of an unknown shape`, {
    hint: `report this with the version of ${provider}`,
    details: result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  });
}

/**
 * Reads the YAML that compose prints. Its writer quotes all text that YAML 1.1 or 1.2 takes for something else, and uses no anchors.
 * Throws `provider-failed`, without the parser's words: they may quote values.
 */
export async function parseYaml(text: string, provider: string): Promise<unknown> {
  const { default: yaml } = await import('yaml');
  try {
    return yaml.parse(text, { version: '1.2', prettyErrors: false, logLevel: 'error' });
  } catch (thrown) {
    throw new RollbackError('provider-failed', `\`${provider} config\` printed YAML that cannot be read`, {
      hint: `report this with the version of ${provider}`,
      cause: thrown,
    });
  }
}
