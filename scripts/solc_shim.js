// A command-line front for the WebAssembly build of solc, for machines where the native one cannot be downloaded.
// Understands what build tools use: `--standard-json [--base-path P] [--include-path P]... [--allow-paths P,...]`
// and `--version`. Bootstrap copies it next to soljson.js; run from the repository it takes soljson.js from npm.
"use strict";

const fs = require("fs");
const path = require("path");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

// Deep expression trees recurse in the compiler; Node's default stack of about 1 MB is not enough for via-IR.
const STACK_MB = 256;
const HEAP_MB = 4096;

function soljsonPath() {
  const beside = path.join(__dirname, "soljson.js");
  return fs.existsSync(beside) ? beside : path.join(__dirname, "..", "node_modules", "solc", "soljson.js");
}

function fail(message) {
  process.stderr.write(`solc shim: ${message}\n`);
  process.exit(1);
}

function parseArguments(argv) {
  const options = { standardJson: false, version: false, basePath: ".", roots: [] };
  for (let i = 0; i < argv.length; i++) {
    const next = () => (i + 1 < argv.length ? argv[++i] : fail(`${argv[i]} needs a value`));
    if (argv[i] === "--standard-json") options.standardJson = true;
    else if (argv[i] === "--version") options.version = true;
    else if (argv[i] === "--base-path") options.basePath = next();
    else if (argv[i] === "--include-path") options.roots.push(next());
    else if (argv[i] === "--allow-paths") options.roots.push(...next().split(",").filter(Boolean));
    else if (argv[i] !== "-") fail(`unknown option ${argv[i]}; only --standard-json and --version are supported`);
  }
  return options;
}

// Reads a source for the compiler, from inside the given roots only (symbolic links resolved).
function confinedReader(basePath, roots) {
  const allowed = [basePath, ...roots].filter((p) => fs.existsSync(p)).map((p) => fs.realpathSync(p));
  return (name) => {
    for (const root of allowed) {
      const candidate = path.resolve(root, name);
      if (!fs.existsSync(candidate)) continue;
      const real = fs.realpathSync(candidate);
      if (allowed.some((r) => real.startsWith(r + path.sep))) return { contents: fs.readFileSync(real, "utf8") };
      return { error: `${name} lies outside the base path` };
    }
    return { error: `${name} not found inside the base path` };
  };
}

// The compiler's input string is placed on its small WebAssembly stack, which large projects overflow ("memory access
// out of bounds"). Sources therefore travel through the import callback, whose results live on the heap.
function moveSourcesToHeap(text) {
  let input;
  try {
    input = JSON.parse(text);
  } catch (error) {
    return { text, contents: new Map() }; // the compiler words the complaint
  }
  const contents = new Map();
  for (const [name, source] of Object.entries(input.sources || {})) {
    if (input.language !== "Solidity" || typeof source.content !== "string") continue;
    contents.set(name, source.content);
    input.sources[name] = { ...source, content: undefined, urls: [name] };
  }
  return { text: JSON.stringify(input), contents };
}

function compile(soljson, text, readFile) {
  const copyOut = (value, pointer) => {
    const size = soljson.lengthBytesUTF8(value) + 1;
    const buffer = alloc(size);
    soljson.stringToUTF8(value, buffer, size);
    soljson.setValue(pointer, buffer, "*");
  };
  const alloc = soljson.cwrap("solidity_alloc", "number", ["number"]);
  const run = soljson.cwrap("solidity_compile", "string", ["string", "number", "number"]);
  const moved = moveSourcesToHeap(text);
  const callback = soljson.addFunction((context, kind, data, contents, error) => {
    const name = soljson.UTF8ToString(data);
    let result;
    if (soljson.UTF8ToString(kind) !== "source") result = { error: "only source imports are supported" };
    else if (moved.contents.has(name)) result = { contents: moved.contents.get(name) };
    else result = readFile(name);
    if (typeof result.contents === "string") copyOut(result.contents, contents);
    if (typeof result.error === "string") copyOut(result.error, error);
  }, "viiiii");
  return run(moved.text, callback, null);
}

if (isMainThread) {
  const options = parseArguments(process.argv.slice(2));
  if (!options.version && !options.standardJson) fail("nothing to do; pass --standard-json or --version");
  const text = options.standardJson ? fs.readFileSync(0, "utf8") : "";
  const worker = new Worker(__filename, {
    workerData: { ...options, text },
    resourceLimits: { stackSizeMb: STACK_MB, maxOldGenerationSizeMb: HEAP_MB },
  });
  worker.on("message", (output) => process.stdout.write(output + "\n"));
  worker.on("error", (error) => fail(error.message));
} else {
  const soljson = require(soljsonPath());
  if (workerData.version) {
    const version = soljson.cwrap("solidity_version", "string", [])();
    parentPort.postMessage(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
  } else {
    parentPort.postMessage(compile(soljson, workerData.text, confinedReader(workerData.basePath, workerData.roots)));
  }
}
