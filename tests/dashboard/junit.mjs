// A reporter of node:test: one testcase each, in the form of JUnit. Node 18 has none of its own.
const escape = (text) =>
  String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u001b]/g, "").replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

export default async function* junit(source) {
  yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites><testsuite name="dashboard">\n';
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A file is told as a test of its own by older versions: only when it fails does it say something new.
    if (type === "test:pass" && data.name.endsWith("js")) continue;
    yield `<testcase name="${escape(data.name)}" time="${((data.details?.duration_ms ?? 0) / 1000).toFixed(3)}">`;
    if (type === "test:fail") {
      const error = data.details?.error;
      yield `<failure>${escape(error?.cause?.stack ?? error?.stack ?? error?.message ?? "failed")}</failure>`;
    } else if (data.skip || data.todo) {
      yield "<skipped/>";
    }
    yield "</testcase>\n";
  }
  yield "</testsuite></testsuites>\n";
}
