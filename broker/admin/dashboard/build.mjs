// Builds the page and writes it as a C++ source with every file's bytes, plain and gzipped.
//
//   node build.mjs --source DIR --modules NODE_MODULES --out DIR --cc FILE
//
// CMakeLists.txt runs it. DIR gets the files as they are served; names carry a hash of the content, but for index.html.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, extname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const { values: options } = parseArgs({
  options: {
    source: { type: "string" },
    modules: { type: "string" },
    out: { type: "string" },
    cc: { type: "string" },
  },
});
const source = resolve(options.source);
const modules = resolve(options.modules);
const out = resolve(options.out);
const esbuild = createRequire(join(modules, "package.json"))("esbuild");

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

const COMMON = {
  absWorkingDir: source,
  nodePaths: [modules],
  outdir: out,
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  bundle: true,
  minify: true,
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};

// Entry point -> the name of what was made of it.
async function bundle() {
  const made = {};
  for (const kind of [
    { entryPoints: ["src/main.tsx", "src/style/main.css"], format: "esm", splitting: true },
    { entryPoints: ["src/theme_early.ts"], format: "iife" }, // no module: it must not wait for the page
  ]) {
    const { metafile } = await esbuild.build({ ...COMMON, ...kind });
    for (const [path, output] of Object.entries(metafile.outputs)) {
      if (output.entryPoint) made[output.entryPoint] = basename(path);
    }
  }
  return made;
}

function writeIndex(made) {
  const mark = readFileSync(join(source, "src/mark.svg"));
  const markName = `mark-${hashOf(mark).slice(0, 8)}.svg`;
  copyFileSync(join(source, "src/mark.svg"), join(out, markName));
  const html = readFileSync(join(source, "src/index.html"), "utf8")
    .replace("{{theme}}", made["src/theme_early.ts"])
    .replace("{{main}}", made["src/main.tsx"])
    .replace("{{style}}", made["src/style/main.css"])
    .replace("{{mark}}", markName);
  writeFileSync(join(out, "index.html"), html);
}

// Octal escapes end after three digits whatever follows, so a literal needs no break after them.
function literal(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 32) {
    let line = "";
    for (const byte of bytes.subarray(at, at + 32)) {
      const char = String.fromCharCode(byte);
      line += /[ !#->@-[\]-~]/.test(char) ? char : `\\${byte.toString(8).padStart(3, "0")}`;
    }
    lines.push(`    "${line}"`);
  }
  return lines.length ? lines.join("\n") : '    ""';
}

function writeCc() {
  const names = readdirSync(out).sort();
  const parts = ['// Made by build.mjs.\n#include "broker/admin/dashboard/dashboard.h"\n\nnamespace skein::admin {\nnamespace {\n'];
  const rows = [];
  names.forEach((name, number) => {
    const plain = readFileSync(join(out, name));
    const zipped = gzipSync(plain, { level: 9 });
    parts.push(`constexpr char kPlain${number}[] =\n${literal(plain)};`);
    parts.push(`constexpr char kZipped${number}[] =\n${literal(zipped)};`);
    const path = name === "index.html" ? "" : name;
    rows.push(
      `    {"${path}", "${TYPES[extname(name)]}", "\\"${hashOf(plain)}\\"",\n` +
        `     {kPlain${number}, ${plain.length}}, {kZipped${number}, ${zipped.length}}},`,
    );
  });
  parts.push(`constexpr StaticFile kFiles[] = {\n${rows.join("\n")}\n};\n\n}  // namespace\n`);
  parts.push("std::span<const StaticFile> DashboardFiles() {\n  return kFiles;\n}\n\n}  // namespace skein::admin\n");
  writeFileSync(options.cc, parts.join("\n"));
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
writeIndex(await bundle());
writeCc();
