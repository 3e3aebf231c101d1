// What messages leave to the host.

/** What the host says in its own words, which differ between versions. */
export const hostWords = (message: string): string =>
  message
    .replace(/(cannot be (?:read|written): |cannot be read \()(?!there is).*?(\)?: `npm|$)/, "$1<the host's reason>$2")
    .replace(
      /(do not compile \(|whole wasm file \(|broke off \(|no answer \().*?(\): the|\): `npm)/,
      "$1<the host's reason>$2",
    )
    .replace(/(net: ).*(: the address of a file)/, "$1<the host's reason>$2")
    .replace(/(no answer: ).*/, "$1<the host's reason>")
    .replace(/(bytes came, then ).*(: it is cut short)/, "$1<the host's reason>$2")
    .replace(/( unpacked \().*\):/, "$1<the host's reason>):")
    .replace(/integrity sha384-\S+:/, "integrity <digest>:")
    .replace(/version \d+/g, "version <n>");
