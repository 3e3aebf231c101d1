// The version, for those who ask at run time.

/** The version in package.json; a test holds them together. */
export const version = "0.1.0";
