/** Put in by the build. */
declare const __VERSION__: string | undefined;

/** Version of this package. */
export const VERSION = typeof __VERSION__ === 'string' ? __VERSION__ : 'development';
