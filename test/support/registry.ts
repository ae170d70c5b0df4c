/** Of what a registry on this machine has under a name: an image, or the index that BuildKit makes of one. */
export async function digestIn(port: number, repository: string, tag: string): Promise<string> {
  const types = ['docker.distribution.manifest.v2', 'oci.image.manifest.v1', 'oci.image.index.v1'];
  const headers = { accept: types.map((type) => `application/vnd.${type}+json`).join(', ') };
  const manifest = await fetch(`http://127.0.0.1:${port}/v2/${repository}/manifests/${tag}`, { headers });
  const digest = manifest.headers.get('docker-content-digest');
  if (digest === null) throw new Error(`${repository}:${tag} has no digest: ${await manifest.text()}`);
  return digest;
}
