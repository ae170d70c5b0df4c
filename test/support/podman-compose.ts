import { execa, type Options } from 'execa';

/**
 * What people type with docker compose, said to podman-compose: it replaces nothing, so that whoever wants a change takes down first; it knows fewer words, and
 * those it does not know are left away.
 */
export async function podmanCompose(program: string, argv: string[], options: Options): Promise<string> {
  const at = argv.findIndex((word, index) => !word.startsWith('-') && !argv[index - 1]?.startsWith('-'));
  const [globals, command = '', words] = [argv.slice(0, at), argv[at], argv.slice(at + 1)];
  const run = async (...rest: string[]) => {
    const { stdout } = await execa(program, [...globals, ...rest], { ...options, stdin: 'ignore' });
    return String(stdout);
  };
  if (command === 'exec') {
    const printed = await run('exec', ...words);
    return printed.startsWith("['podman'") ? printed.split('\n').slice(FIRST_LINES, -1).join('\n') : printed;
  }
  const services = words.filter((word) => !word.startsWith('-') && !/^\d+$/.test(word));
  if (command === 'up') {
    if (!words.includes('--no-deps')) await run('down', ...services);
    return await run('up', words.includes('--no-start') ? '--no-start' : '-d', '--no-build', ...services);
  }
  if (command === 'down') return await run('down', ...(words.includes('--volumes') ? ['--volumes'] : []));
  return await run(command, ...services);
}

/** Up to 1.0 it prints what it does: `['podman', '--version', '']`, the version, and the command. */
const FIRST_LINES = 3;
