/** Put in by the build. */
declare const PACKAGE_VERSION: string | undefined;

/** Version of this package. */
export const VERSION = typeof PACKAGE_VERSION === 'string' ? PACKAGE_VERSION : 'development';
