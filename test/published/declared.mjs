// Public names and members in declarations, and whether editors have something to say about them. TypeScript's compiler
// reads them: the one of the tools in test/published, since the root's has no such interface.
import { resolve } from "node:path";

/**
 * @typedef {{ name: string; documented: boolean; where: string }} Declared
 * @typedef {{ declared: Declared[]; members: Map<string, string[]>; errors: string[] }} Read
 */

/**
 * Reads declarations. `declared` has every name that the entries export, those of namespaces included, with members and the
 * properties of objects that are written out in them, one for each overload; `members` has the members of each class and
 * interface by name, those that it inherits included; `errors` is what the compiler says of all that.
 * @param {any} ts @param {string} folder @param {readonly string[]} entries @returns {Read}
 */
export function readDeclarations(ts, folder, entries) {
  const files = entries.map((file) => resolve(folder, file));
  const program = ts.createProgram(files, {
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, lib: ["lib.es2022.d.ts", "lib.dom.d.ts"] },
    ...{ strict: true, types: [], noEmit: true },
  });
  const checker = program.getTypeChecker();
  const errors = ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, " "));
  const declared = [];
  const members = new Map();
  const seen = new Set();
  /** Named by classes and interfaces: those that nobody exports come last, under their own names. */
  const bases = [];
  const own = (node) => node.getSourceFile().fileName.startsWith(resolve(folder));

  const say = (node, name) => {
    const comments = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
    const text = comments.map((c) => ts.getTextOfJSDocComment(c.comment) ?? "").join(" ");
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    const where = `${file.fileName.slice(resolve(folder).length + 1)}:${line + 1}`;
    declared.push({ name, documented: text.trim().length > 0, where });
  };

  const hidden = (node) =>
    (node.name !== undefined && ts.isPrivateIdentifier(node.name)) ||
    (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) !== 0;
  const isMember = (node) =>
    [ts.isPropertySignature, ts.isPropertyDeclaration, ts.isMethodSignature, ts.isMethodDeclaration].some((is) =>
      is(node),
    ) || [ts.isGetAccessorDeclaration, ts.isIndexSignatureDeclaration].some((is) => is(node));

  /** The members below a declaration. */
  const below = (node, name) => {
    ts.forEachChild(node, (child) => {
      if (isMember(child)) {
        if (hidden(child)) return;
        const path = `${name}.${child.name?.getText() ?? "[index]"}`;
        say(child, path);
        below(child, path);
        return;
      }
      if (ts.isHeritageClause(child)) {
        for (const { expression } of child.types) {
          const base = checker.getSymbolAtLocation(expression);
          if (base !== undefined) bases.push(base);
        }
      }
      below(child, name);
    });
  };

  const symbol = (given, name) => {
    const is = given.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(given) : given;
    if (seen.has(is)) return;
    seen.add(is);
    if (is.flags & ts.SymbolFlags.ValueModule) {
      for (const e of checker.getExportsOfModule(is)) symbol(e, `${name}.${e.name}`);
      return;
    }
    for (const node of (is.declarations ?? []).filter(own)) {
      // A second declaration adds members to the first.
      if (node === is.declarations[0] || ts.isFunctionDeclaration(node)) say(node, name);
      below(node, name);
    }
    if (is.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) {
      const type = checker.getDeclaredTypeOfSymbol(is);
      members.set(
        name,
        checker.getPropertiesOfType(type).map((p) => p.name),
      );
    }
  };

  for (const file of files) {
    const entry = checker.getSymbolAtLocation(program.getSourceFile(file));
    for (const e of checker.getExportsOfModule(entry)) symbol(e, e.name);
  }
  for (let base = bases.shift(); base !== undefined; base = bases.shift()) symbol(base, base.name);
  return { declared, members, errors };
}
