import { Argument, type Command } from 'commander';
import type { Session } from '../session.js';
import { SCRIPTS } from '../completion-scripts.js';

export function define(command: Command, session: () => Session): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(compose-rollback completion bash)          # in ~/.bashrc\n  source <(compose-rollback completion zsh)           # in ~/.zshrc, after compinit\n  compose-rollback completion fish | source           # in ~/.config/fish/config.fish',
    )
    .action((shell: string) => {
      session().output.stdout.write(SCRIPTS[shell] ?? '');
    });
}
