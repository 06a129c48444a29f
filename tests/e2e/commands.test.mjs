// SPDX-License-Identifier: Apache-2.0
// The commands beside run: lint, new, deps, inspect, archive.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { root, run, scratch, serve } from '../support/lab.mjs';

const rules = (result) => JSON.parse(result.stdout).findings.map((f) => `${f.rule}:${f.line}`);

// ---- lint ----

test('lint names the line, the mistake and what to write instead, and ends with 1', async (t) => {
  const folder = scratch(t, { 'x.js': "export default function () {\n  http.get('http://127.0.0.1/');\n}\n" });
  const result = await run(['lint', 'x.js'], { cwd: folder });
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stdout, /^x\.js:2:3: warning: http is not imported/m);
  assert.match(result.stdout, /2 \|   http\.get\('http:\/\/127\.0\.0\.1\/'\);\n +\|   \^\n +write: import http from 'k6\/http';/);
  assert.match(result.stdout, /^x\.js:1:1: warning: no think time/m);
  assert.match(result.stdout, /^2 warnings$/m);
});

test('lint ends with 0 for a script without mistakes, the demo among them', async () => {
  const result = await run(['lint', join(root, 'scenarios/demo.js')]);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.equal(result.stdout, 'no warnings\n');
});

test('lint tells of a missing import at the top level though the script cannot be loaded', async (t) => {
  const folder = scratch(t, { 'x.js': "const c = new Counter('c');\nexport default () => { c.add(1); };\n" });
  const result = await run(['lint', '--json', 'x.js'], { cwd: folder });
  assert.equal(result.code, 1, result.stderr);
  assert.deepEqual(rules(result), ['missing-import:1']);
  assert.equal(JSON.parse(result.stdout).findings[0].instead, "import { Counter } from 'k6/metrics';");
});

test('lint says why a script cannot be loaded, with the exit code that a run has', async (t) => {
  const folder = scratch(t, { 'x.js': 'null.x;\nexport default () => {};\n' });
  const result = await run(['lint', 'x.js'], { cwd: folder });
  assert.equal(result.code, 107);
  assert.match(result.stderr, /does not load.*null/);
  assert.equal((await run(['lint', 'missing.js'], { cwd: folder })).code, 255);
});

test('lint judges the load by the evaluated options, local modules and -e', async (t) => {
  const folder = scratch(t, {
    'pause.js': "import { sleep } from 'k6';\nexport const pause = () => sleep(1);\n",
    'x.js': `import http from 'k6/http';
import { pause } from './pause.js';
const N = 20;
export const options = { scenarios: { herd: { executor: 'shared-iterations', vus: N * 5, iterations: N * 5 } } };
export default () => { http.get(\`\${__ENV.BASE}/\`); pause(); };
`,
  });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['herd:4', 'undefined-in-url:5']);
  assert.deepEqual(rules(await run(['lint', '--json', '-e', 'BASE=http://a', 'x.js'], { cwd: folder })), ['herd:4']);
});

test('lint compares CSV files with the way they are read', async (t) => {
  const folder = scratch(t, {
    'users.csv': '1\n2\n',
    'x.js': `import http from 'k6/http';
import { sleep } from 'k6';
import papaparse from './papaparse.js';
const users = papaparse.parse(open('./users.csv'), { header: true }).data;
export default () => { http.get(\`http://a/users/\${users[0].id}\`); sleep(1); };
`,
    'papaparse.js': 'export default { parse: () => ({ data: [{}] }) };\n',
  });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['csv-empty-row:4', 'csv-header:4']);
});

// The scripts of the article that ltlab began with are not part of this repository; these are their mistakes.
test('lint finds a body that may be null and load that never changes', async (t) => {
  const folder = scratch(t, { 'x.js': `import http from 'k6/http';
import { check, sleep } from 'k6';
export const options = {
  vus: 50,
  duration: '5m',
};
export default function () {
  const res = http.get('http://api/products/1');
  check(res, {
    'loaded': (r) => r.status === 200,
    'has stock': (r) => JSON.parse(r.body).stock > 0,
    'is long': (r) => r.body && r.body.length > 10,
  });
  if (res.status !== 200) console.log(res.body.substring(0, 100));
  sleep(2);
}
` });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['constant-load:4', 'null-body:11', 'null-body:14']);
});

// ---- new ----

for (const form of [['new'], ['k6', 'new']]) {
  test(`${form.join(' ')} writes a script that runs as it is`, async (t) => {
    const folder = scratch(t);
    const made = await run([...form], { cwd: folder });
    assert.equal(made.code, 0, made.stderr);
    assert.equal(made.stdout, 'New script created: script.js (minimal template).\n');
    const server = await serve(t, (req, res) => res.end('hello'));
    const result = await run(['k6', 'run', '--iterations', '2', '-e', `BASE=${server.base}`, 'script.js'], { cwd: folder });
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /checks_succeeded\.*: 100\.00% 2 out of 2/);
  });
}

test('new keeps a file that is there unless --force says otherwise', async (t) => {
  const folder = scratch(t, { 'a.js': 'mine' });
  const refused = await run(['new', 'a.js'], { cwd: folder });
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /a\.js already exists.*--force/);
  assert.equal(readFileSync(join(folder, 'a.js'), 'utf8'), 'mine');
  const forced = await run(['new', '-f', '--template', 'protocol', 'a.js'], { cwd: folder });
  assert.equal(forced.stdout, 'New script created: a.js (protocol template).\n');
  assert.match(readFileSync(join(folder, 'a.js'), 'utf8'), /ramping-arrival-rate/);
});

test('both templates of new pass lint, and --project-id is in the options', async (t) => {
  const folder = scratch(t);
  for (const template of ['minimal', 'protocol']) {
    assert.equal((await run(['new', '--template', template, '--project-id', '42', `${template}.js`], { cwd: folder })).code, 0);
    const linted = await run(['lint', `${template}.js`], { cwd: folder });
    assert.equal(linted.code, 0, linted.stdout + linted.stderr);
    assert.equal(JSON.parse((await run(['k6', 'inspect', `${template}.js`], { cwd: folder })).stdout).cloud.projectID, 42);
  }
  assert.equal((await run(['new', '--project-id', 'x', 'b.js'], { cwd: folder })).code, 255);
  assert.ok(!existsSync(join(folder, 'b.js')));
});

test('new takes a template of your own and says which ones there are', async (t) => {
  const folder = scratch(t, { 'mine.js': '// {{ .ScriptName }} {{ .ProjectID }}\n' });
  const made = await run(['new', '--template', './mine.js', '--project-id', '7', 'x.js'], { cwd: folder });
  assert.equal(made.stdout, 'New script created: x.js (./mine.js template).\n');
  assert.equal(readFileSync(join(folder, 'x.js'), 'utf8'), '// x.js 7\n');
  const unknown = await run(['new', '--template', 'nope', 'y.js'], { cwd: folder });
  assert.equal(unknown.code, 255);
  assert.match(unknown.stderr, /nope.*minimal, protocol/);
});

test('a flag of one command is unknown to the others', async (t) => {
  const folder = scratch(t, { 'x.js': 'export default () => {}\n' });
  const result = await run(['k6', 'run', '--template', 'minimal', 'x.js'], { cwd: folder });
  assert.equal(result.code, 255);
  assert.match(result.stderr, /unknown flag: --template/);
});

// ---- deps ----

const needy = {
  'x.js': `"use k6 >= v1.0.0";
"use k6 with k6/x/faker > 0.4";
import http from 'k6/http';
import { a } from './lib.js';
throw new Error('never run');
`,
  'lib.js': "import faker from 'k6/x/faker';\nimport sql from 'k6/x/sql';\nexport { check as a } from 'k6';\n",
};

test('deps lists what is reachable, without running the script', async (t) => {
  const folder = scratch(t, needy);
  const result = await run(['k6', 'deps', '--json', 'x.js'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(JSON.parse(result.stdout), {
    buildDependencies: { k6: '>= v1.0.0', 'k6/x/faker': '> 0.4', 'k6/x/sql': '*' },
    imports: [join(folder, 'x.js'), 'k6/http', join(folder, 'lib.js'), 'k6/x/faker', 'k6/x/sql', 'k6'],
    customBuildRequired: true,
  });
});

test('deps for people names the same three things', async (t) => {
  const folder = scratch(t, needy);
  const custom = await run(['k6', 'deps', 'x.js'], { cwd: folder });
  assert.match(custom.stdout, /Build Dependencies:\n[^]*k6\/x\/faker: > 0\.4\n[^]*Imports:\n[^]*lib\.js\n[^]*Custom Build Required: yes\n$/);
  writeFileSync(join(folder, 'y.js'), "import http from 'k6/http';\n");
  assert.match((await run(['k6', 'deps', 'y.js'], { cwd: folder })).stdout, /Custom Build Required: no\n$/);
  writeFileSync(join(folder, 'z.js'), "import x from './gone.js';\n");
  const gone = await run(['k6', 'deps', 'z.js'], { cwd: folder });
  assert.equal(gone.code, 107);
  assert.match(gone.stderr, /gone\.js/);
});

// ---- inspect ----

test('inspect --execution-requirements derives the scenarios, the longest duration and the VUs', async (t) => {
  const folder = scratch(t, {
    'stages.js': "export const options = { stages: [{ duration: '1m', target: 7 }, { duration: '30s', target: 0 }] };\nexport default () => {}\n",
    'two.js': `export const options = { scenarios: {
  a: { executor: 'constant-vus', vus: 3, duration: '10s', gracefulStop: '5s' },
  b: { executor: 'constant-arrival-rate', rate: 10, duration: '20s', startTime: '1m', preAllocatedVUs: 2, maxVUs: 9, gracefulStop: '0s' },
} };
export default () => {}\n`,
  });
  const inspect = async (...args) => JSON.parse((await run(['k6', 'inspect', ...args], { cwd: folder })).stdout);
  const stages = await inspect('--execution-requirements', 'stages.js');
  assert.equal(stages.totalDuration, '2m0s');
  assert.equal(stages.maxVUs, 7);
  assert.equal(stages.scenarios.default.executor, 'ramping-vus');
  const two = await inspect('--execution-requirements', 'two.js');
  assert.equal(two.totalDuration, '1m20s');
  assert.equal(two.maxVUs, 9);
  const plain = await inspect('stages.js');
  assert.equal(plain.totalDuration, undefined);
  assert.equal(plain.scenarios, undefined);
});

// ---- archive ----

const packed = {
  'x.js': `import http from 'k6/http';
import { two } from './lib.js';
const word = open('./word.txt');
export const options = { vus: 3, iterations: 3, thresholds: { http_reqs: ['count==3'] } };
export default () => { http.get(\`\${__ENV.BASE}/\${two}/\${word}/\${__ENV.WHO}\`); };
`,
  'lib.js': 'export const two = 2;\n',
  'word.txt': 'hello',
};

// Makes x.tar of the files above and takes the files away; -e WHO=archived and more arguments go along.
async function pack(t, ...args) {
  const folder = scratch(t, packed);
  const made = await run(['k6', 'archive', '-O', 'x.tar', '-e', 'WHO=archived', ...args, 'x.js'], { cwd: folder });
  assert.equal(made.code, 0, made.stderr);
  for (const name of Object.keys(packed)) unlinkSync(join(folder, name));
  return folder;
}

const member = (folder, name) => execFileSync('tar', ['xOf', join(folder, 'x.tar'), name], { encoding: 'utf8' });

test('an archive runs without the files it was made of, with its options and its env under -e', async (t) => {
  const server = await serve(t, (req, res) => res.end('ok'));
  const folder = await pack(t);
  for (const [args, who] of [[[], 'archived'], [['-e', 'WHO=given'], 'given'], [['--type', 'archive', '--isolation', 'vu'], 'archived']]) {
    const before = server.seen.length;
    const result = await run(['k6', 'run', '-e', `BASE=${server.base}`, ...args, 'x.tar'], { cwd: folder, env: { WHO: 'system' } });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stderr, '');
    assert.deepEqual(server.seen.slice(before).map((seen) => seen.url), Array(3).fill(`/2/hello/${who}`));
  }
});

test('flags win over an archive\'s options, and a threshold of the archive can fail the run', async (t) => {
  const server = await serve(t, (req, res) => res.end('ok'));
  const folder = await pack(t);
  const result = await run(['k6', 'run', '-e', `BASE=${server.base}`, '--iterations', '5', 'x.tar'], { cwd: folder });
  assert.equal(result.code, 99);
  assert.equal(server.seen.length, 5);
});

test('what is on disk does not get into the run of an archive', async (t) => {
  const server = await serve(t, (req, res) => res.end('ok'));
  const folder = await pack(t);
  writeFileSync(join(folder, 'lib.js'), 'export const two = "disk";\n');
  writeFileSync(join(folder, 'word.txt'), 'disk');
  assert.equal((await run(['k6', 'run', '-e', `BASE=${server.base}`, 'x.tar'], { cwd: folder })).code, 0);
  assert.equal(server.seen[0].url, '/2/hello/archived');
});

test('a file that an archive lacks is not looked for elsewhere', async (t) => {
  const folder = scratch(t, { 'x.js': "if (__ENV.MORE) open('./more.txt');\nexport default () => {};\n", 'more.txt': 'there' });
  assert.equal((await run(['k6', 'archive', 'x.js'], { cwd: folder })).code, 0);
  const result = await run(['k6', 'run', '-e', 'MORE=1', 'archive.tar'], { cwd: folder });
  assert.equal(result.code, 107);
  assert.match(result.stderr, /more\.txt is not in the archive/);
});

test('an archive has k6\'s layout, no user\'s name, and the same bytes each time', async (t) => {
  const folder = await pack(t, '--vus', '2', '--iterations', '8');
  const names = execFileSync('tar', ['tf', join(folder, 'x.tar')], { encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(names.slice(0, 2), ['metadata.json', 'data']);
  assert.deepEqual(names.slice(2).sort(), ['lib.js', 'word.txt', 'x.js'].map((name) => `file${join(folder, name)}`));
  assert.equal(member(folder, 'data'), packed['x.js']);
  const metadata = JSON.parse(member(folder, 'metadata.json'));
  assert.equal(metadata.type, 'js');
  assert.equal(metadata.filename, `file://${join(folder, 'x.js')}`);
  assert.equal(metadata.pwd, `file://${folder}`);
  assert.deepEqual(metadata.env, { WHO: 'archived' });
  assert.equal(metadata.compatibilityMode, 'extended');
  assert.equal(metadata.options.vus, 2);
  assert.equal(metadata.options.iterations, 8);
  for (const [name, text] of Object.entries(packed)) writeFileSync(join(folder, name), text);
  const again = await run(['k6', 'archive', '-O', 'y.tar', '-e', 'WHO=archived', '--vus', '2', '--iterations', '8', 'x.js'], { cwd: folder });
  assert.equal(again.code, 0);
  assert.deepEqual(readFileSync(join(folder, 'y.tar')), readFileSync(join(folder, 'x.tar')));
});

test('a home becomes nobody\'s, and the archive still finds its files, also by absolute names', async (t) => {
  const home = `/home/ltlab-test-${process.pid}`;
  try {
    mkdirSync(home, { recursive: true });
  } catch (error) {
    return t.skip(`no folder can be made in /home: ${error.code}`);
  }
  t.after(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(join(home, 'x.js'), `import { two } from './lib.js';\nif (open('${home}/word.txt') + open('word.txt') !== 'hellohello') throw new Error('not the words');\nexport default () => console.log(two);\n`);
  writeFileSync(join(home, 'lib.js'), packed['lib.js']);
  writeFileSync(join(home, 'word.txt'), packed['word.txt']);
  const folder = scratch(t);
  const made = await run(['k6', 'archive', '-O', join(folder, 'x.tar'), 'x.js'], { cwd: home });
  assert.equal(made.code, 0, made.stderr);
  rmSync(home, { recursive: true });
  const metadata = JSON.parse(member(folder, 'metadata.json'));
  assert.equal(metadata.filename, 'file:///home/nobody/x.js');
  assert.equal(metadata.pwd, 'file:///home/nobody');
  assert.doesNotMatch(execFileSync('tar', ['tf', join(folder, 'x.tar')], { encoding: 'utf8' }), /ltlab-test/);
  const result = await run(['k6', 'run', '-q', 'x.tar'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /msg="?2"? source=console/);
});

test('--exclude-env-vars leaves -e out, and -O - writes to standard output', async (t) => {
  const folder = await pack(t, '--exclude-env-vars');
  assert.deepEqual(JSON.parse(member(folder, 'metadata.json')).env, {});
  writeFileSync(join(folder, 'z.js'), 'export default () => {}\n');
  const piped = await run(['k6', 'archive', '-O', '-', 'z.js'], { cwd: folder });
  assert.equal(piped.stdout.slice(257, 262), 'ustar');
});

test('a script from standard input becomes an archive, and an archive runs from standard input', async (t) => {
  const folder = scratch(t);
  const feed = (text) => (child) => child.stdin.end(text);
  const made = await run(['k6', 'archive', '-'], { cwd: folder, onStart: feed('export default () => console.log("from stdin")\n') });
  assert.equal(made.code, 0, made.stderr);
  const result = await run(['k6', 'run', '-q', '-'], { cwd: folder, onStart: feed(readFileSync(join(folder, 'archive.tar'))) });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /from stdin/);
});

test('archives of old layouts can be read, damaged ones are refused by name', async (t) => {
  const folder = scratch(t, {
    'metadata.json': JSON.stringify({ type: 'js', filename: '/home/nobody/x.js', pwd: '/home/nobody', options: { iterations: 1, vus: null }, env: {} }),
    data: "import { two } from './lib.js';\nexport default () => console.log(two + open);\nexport const word = open('./word.txt');\n",
  });
  for (const [name, text] of [['scripts/_/home/nobody/lib.js', packed['lib.js']], ['files/_/home/nobody/word.txt', 'hello']]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  execFileSync('tar', ['cf', 'old.tar', 'metadata.json', 'data', 'scripts', 'files'], { cwd: folder });
  const result = await run(['k6', 'run', '-q', 'old.tar'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  writeFileSync(join(folder, 'cut.tar'), readFileSync(join(folder, 'old.tar')).subarray(0, 600));
  const cut = await run(['k6', 'run', 'cut.tar'], { cwd: folder });
  assert.equal(cut.code, 255);
  assert.match(cut.stderr, /cut\.tar: the archive is damaged at metadata\.json/);
  execFileSync('tar', ['cf', 'none.tar', 'data'], { cwd: folder });
  assert.match((await run(['k6', 'run', 'none.tar'], { cwd: folder })).stderr, /no metadata\.json/);
});

test('inspect, deps and lint read archives too', async (t) => {
  const folder = await pack(t);
  assert.equal(JSON.parse((await run(['k6', 'inspect', 'x.tar'], { cwd: folder })).stdout).vus, 3);
  assert.deepEqual(JSON.parse((await run(['k6', 'deps', '--json', 'x.tar'], { cwd: folder })).stdout).imports, [join(folder, 'x.js'), 'k6/http', join(folder, 'lib.js')]);
  assert.deepEqual(rules(await run(['lint', '--json', 'x.tar'], { cwd: folder })), ['undefined-in-url:5']);
});
