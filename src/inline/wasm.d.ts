// What bundle.mjs makes of a build's file: gzip data in base64.
declare module "wasm:*" {
  const text: string;
  export default text;
}
