import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { docker, testProject, type TestProject } from '../support/engine.js';

const MISSING = 'f'.repeat(64);

/** What every engine must do with the names of images, against the interface alone. */
export function engineNamesSuite(name: string, make: () => Promise<Engine>): void {
  describe(`engine, images and their names: ${name}`, () => {
    let engine: Engine;
    let project: TestProject;
    let imageId: string;

    const ref = (rest: string) => `${project.name}/${rest}`;

    /** An image that has no other name. */
    const build = async (reference: string, step: string) => {
      await project.write({ 'image/Dockerfile': `FROM busybox:latest\n${step}\n` });
      await docker('build', '--quiet', '--tag', reference, project.path('image'));
      return await docker('image', 'inspect', '--format', '{{.Id}}', reference);
    };

    beforeAll(async () => {
      engine = await make();
      project = await testProject('engnames');
      imageId = await build(ref('api:v1'), 'RUN touch /new');
    });

    /** Another name for it, until the test ends. */
    const tag = async (rest: string) => {
      onTestFinished(() => engine.untag(ref(rest)));
      await engine.tag(imageId, ref(rest));
    };

    it('tells an image by name and by id, and undefined where there is none', async () => {
      const image = await engine.image(ref('api:v1'));
      expect(image).toMatchObject({ id: imageId, tags: [ref('api:v1')] });
      expect(image?.platform).toMatch(/^linux\//);
      expect(image?.diffIds).toHaveLength(2);
      expect(image?.sizeBytes).toBeGreaterThan(1000);
      expect(await engine.image(imageId)).toEqual(image);
      expect(await engine.image(ref('api:v2'))).toBeUndefined();
      expect(await engine.image(`sha256:${MISSING}`)).toBeUndefined();
      expect(await engine.image(`busybox@sha256:${MISSING}`)).toBeUndefined();
      await expect(engine.image('../containers/json')).rejects.toMatchObject({ code: 'usage' });
    });

    it('tags, twice like once, with a registry and its port', async () => {
      await tag('api:v2');
      await tag('api:v2');
      expect((await engine.image(ref('api:v2')))?.id).toBe(imageId);
      const far = `${project.name}.test:5000/team/api`;
      await engine.tag(imageId, far);
      expect((await engine.image(`${far}:latest`))?.id).toBe(imageId);
      await engine.untag(far);
      expect(await engine.image(far)).toBeUndefined();
    });

    it('moves a tag', async () => {
      const other = (await engine.image('busybox:latest'))?.id ?? '';
      await tag('api:v2');
      await engine.tag(other, ref('api:v2'));
      expect((await engine.image(ref('api:v2')))?.id).toBe(other);
      await engine.tag(imageId, ref('api:v2'));
      expect((await engine.image(ref('api:v2')))?.id).toBe(imageId);
    });

    it('refuses to tag what is not there, and by digest', async () => {
      await expect(engine.tag(`sha256:${MISSING}`, ref('x:1'))).rejects.toMatchObject({ code: 'failed' });
      await expect(engine.tag(imageId, `busybox@sha256:${MISSING}`)).rejects.toMatchObject({
        code: 'usage',
      });
    });

    it('lists the names that start with a repository, and no longer words', async () => {
      for (const rest of ['api:v2', 'api/deep:1', 'apiary:1']) await tag(rest);
      const found = await engine.references(ref('api'));
      expect(found.map((entry) => entry.reference).toSorted()).toEqual([
        ref('api/deep:1'),
        ref('api:v1'),
        ref('api:v2'),
      ]);
      expect(new Set(found.map((entry) => entry.imageId))).toEqual(new Set([imageId]));
      expect(await engine.references(ref('nothing'))).toEqual([]);
    });

    it('removes one name and leaves the others, and nothing twice', async () => {
      for (const rest of ['api/deep:1', 'apiary:1', 'api:v2']) await tag(rest);
      await engine.untag(ref('api:v2'));
      expect((await engine.image(imageId))?.tags.toSorted()).toEqual(
        ['api/deep:1', 'api:v1', 'apiary:1'].map(ref),
      );
      for (const rest of ['api/deep:1', 'apiary:1', 'api:v2']) await engine.untag(ref(rest));
      expect((await engine.image(imageId))?.tags).toEqual([ref('api:v1')]);
    });

    it('never removes by id', async () => {
      await expect(engine.untag(imageId)).rejects.toMatchObject({ code: 'usage' });
      await engine.untag(imageId.replace('sha256:', '').slice(0, 12));
      expect(await engine.image(imageId)).toBeDefined();
    });

    it.each(['running', 'created'])(
      'removes the last name of an image and not the image that a %s container uses',
      async (how) => {
        const label = `com.docker.compose.project=${project.name}`;
        const words = how === 'running' ? ['run', '--detach'] : ['create'];
        const user = await docker(...words, '--init', '--label', label, ref('api:v1'), 'sleep', '1000');
        onTestFinished(async () => {
          await engine.tag(imageId, ref('api:v1'));
          await docker('rm', '--force', user);
        });
        await engine.untag(ref('api:v1'));
        expect(await engine.image(ref('api:v1'))).toBeUndefined();
        expect((await engine.image(imageId))?.tags).toEqual([]);
        expect((await engine.container(user))?.imageId).toBe(imageId);
      },
    );

    it('removes the image with its last name when nothing uses it', async () => {
      const alone = await build(ref('alone:v1'), 'RUN touch /alone');
      await engine.untag(ref('alone:v1'));
      expect(await engine.image(alone)).toBeUndefined();
    });
  });
}
