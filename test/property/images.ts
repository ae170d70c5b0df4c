import { execa } from 'execa';

/** The images of generated projects, besides busybox: `b` sets what an image can set. */
export async function buildImages(): Promise<void> {
  await buildImage('a', []);
  await buildImage('b', ['ENV IMAGE=b', 'LABEL image=b', 'WORKDIR /tmp', 'VOLUME /of-image', 'EXPOSE 99']);
}

async function buildImage(tag: string, lines: string[]): Promise<void> {
  const input = ['FROM busybox:latest', `LABEL property=${tag}`, ...lines].join('\n');
  await execa('docker', ['build', '--quiet', '--tag', `compose-rollback-property:${tag}`, '-'], { input });
}
