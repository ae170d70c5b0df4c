import type { ComposeModel } from '../model/compose.js';
import { isAtLeast } from '../model/versions.js';
import { ComposeBase, parseHashes, runCompose, undoubleDollars, upCommand } from './compose-program.js';
import type { ComposeProvider, ComposeRequest } from './provider.js';
import { overStumbles } from './stumbles.js';

/** Compose version 2 and later, as the docker CLI's plug-in or on its own. */
export class ComposeV2 extends ComposeBase implements ComposeProvider {
  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const profiles = options.allProfiles ? ['*'] : request.profiles;
    // The schema library loads while compose reads.
    const [text, { readModel }] = await Promise.all([
      runCompose(this.program, request, profiles, ['config', '--format', 'json']),
      import('./compose-document.js'),
    ]);
    return readModel(JSON.parse(undoubleDollars(text)), this.name);
  }

  async hashes(request: ComposeRequest): Promise<Record<string, string>> {
    return parseHashes(await runCompose(this.program, request, request.profiles, ['config', '--hash', '*']));
  }

  /** Until 2.29.3, docker/compose d658fecc6. */
  async hashesDependencies(): Promise<boolean> {
    return !isAtLeast(await this.version(), '2.29.3');
  }

  async up(
    request: ComposeRequest,
    services: string[],
    options: { start: boolean; scale: Record<string, number> },
  ): Promise<void> {
    // Without a name it would mean all of them.
    if (services.length === 0) return;
    const [up = '', ...words] = upCommand(services, options);
    // What is as it should be by then is left alone the next time.
    await overStumbles(() =>
      runCompose(this.program, request, request.profiles, [up, '--pull=never', ...words]),
    );
  }

  defaultImage(project: string, service: string): string {
    return `${project}-${service}`;
  }
}
