import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { isAtLeast } from '../model/versions.js';
import { ComposeBase, parseHashes, runCompose, undoubleDollars, upCommand } from './compose-program.js';
import type { ComposeProvider, ComposeRequest, UpOptions } from './provider.js';
import { overStumbles } from './stumbles.js';

/** Compose version 2 and later, as the docker CLI's plug-in or on its own. */
export class ComposeV2 extends ComposeBase implements ComposeProvider {
  override readonly readsModels = true;

  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const profiles = options.allProfiles ? ['*'] : request.profiles;
    // The schema library loads while compose reads.
    const [document, { readModel }] = await Promise.all([
      this.#document(request, profiles),
      import('./compose-document.js'),
    ]);
    return readModel(document, this.name);
  }

  /**
   * Some models can be printed as YAML only, such as one with a path in `build.ssh` (measured, 2.26.1 and 2.40.3). JSON comes first: it is
   * read in a hundredth of the time, and the YAML of 2.26.1 loses the line break that a text begins with.
   */
  async #document(request: ComposeRequest, profiles: string[]): Promise<unknown> {
    const print = async (format: string) =>
      undoubleDollars(await runCompose(this.program, request, profiles, ['config', '--format', format]));
    try {
      return JSON.parse(await print('json'));
    } catch (thrown) {
      if (!(thrown instanceof RollbackError) || thrown.code !== 'provider-failed') throw thrown;
      const [text, { parseYaml }] = await Promise.all([print('yaml'), import('./compose-document.js')]);
      return await parseYaml(text, this.name);
    }
  }

  async hashes(request: ComposeRequest): Promise<Record<string, string>> {
    return parseHashes(await runCompose(this.program, request, request.profiles, ['config', '--hash', '*']));
  }

  /**
   * What `config` prints is a compose file again. Measured with 2.26.1 and 2.40.3, and with the loaders of 2.29 to 5.5: a model of the same or
   * an earlier version gets the hash that its containers get, what env files give included; but see `canReadModelOf`.
   */
  async hashModel(request: ComposeRequest, model: ComposeModel): Promise<Record<string, string>> {
    // Nothing is left for an env file to say, and those of the request may be gone.
    const resolved = { ...request, files: ['-'], envFiles: ['/dev/null'] };
    const command = ['config', '--hash', '*'];
    return parseHashes(await runCompose(this.program, resolved, ['*'], command, toComposeFile(model)));
  }

  /** Until 2.29.3, docker/compose d658fecc6. */
  async hashesDependencies(): Promise<boolean> {
    return !isAtLeast(await this.version(), '2.29.3');
  }

  async up(request: ComposeRequest, services: string[], options: UpOptions): Promise<void> {
    await this.#up(request, services, options);
  }

  override async upModel(
    request: ComposeRequest,
    model: ComposeModel,
    services: string[],
    options: UpOptions,
  ): Promise<void> {
    const resolved = { ...request, files: ['-'], envFiles: ['/dev/null'], profiles: ['*'] };
    await this.#up(resolved, services, options, toComposeFile(model));
  }

  async #up(request: ComposeRequest, services: string[], options: UpOptions, input?: string): Promise<void> {
    // Without a name it would mean all of them.
    if (services.length === 0) return;
    const [up = '', ...words] = upCommand(services, options);
    // What is as it should be by then is left alone the next time.
    await overStumbles(() =>
      runCompose(this.program, request, request.profiles, [up, '--pull=never', ...words], input),
    );
  }

  defaultImage(project: string, service: string): string {
    return `${project}-${service}`;
  }
}

/** A resolved model as a compose file: JSON, which is YAML too. Compose refuses some of what it prints about builds, and hashes nothing of it. */
function toComposeFile(model: ComposeModel): string {
  const services = Object.entries(model.services).map(([name, service]) => [
    name,
    service.build === undefined ? service : { ...service, build: { context: '.' } },
  ]);
  return (
    JSON.stringify({ ...model, services: Object.fromEntries(services) })
      .replaceAll('$', () => '$$')
      // YAML takes these for line breaks, or does not take them at all.
      .replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (sign) => {
        return `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
      })
  );
}
