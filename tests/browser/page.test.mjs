// The page that the server brings, in a real browser against the real server.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync, existsSync, openSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createServer} from 'node:net';
import {after, before, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {chromium} from 'playwright-core';

const binary = process.env.ROOST_BINARY, python = process.env.ROOST_PYTHON ?? '/usr/bin/python3';
const chrome = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const pictures = process.env.ROOST_SCREENSHOTS;  // a folder: keeps a picture of each step
const atMost = 200000;  // ms for what takes none on a quiet machine: a test that waits for so long has failed, a slow machine has not
let folder, port, server, browser, page;

const url = () => `http://127.0.0.1:${port}`;
const token = () => readFileSync(join(folder, 'data', 'token'), 'utf8').trim();
const roost = (...args) => execFileSync(binary, args, {env: {...process.env, ROOST_URL: url(), ROOST_TOKEN: token()}, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});

function freePort() {
  return new Promise(resolve => { const probe = createServer().listen(0, '127.0.0.1', () => { const {port} = probe.address(); probe.close(() => resolve(port)); }); });
}
async function startServer() {
  const output = openSync(join(folder, 'server.out'), 'a');
  server = spawn(binary, ['serve', '--data', join(folder, 'data'), '--port', String(port), '--python', python, '--min-free', '0'], {stdio: ['ignore', output, output]});
  for (let i = 0; i < 4000; i++) {
    try { if ((await fetch(url() + '/healthz')).ok) return; } catch { /* not there yet */ }
    await sleep(50);
  }
  throw new Error('the server did not start: ' + readFileSync(join(folder, 'server.out'), 'utf8'));
}
function submit(code, ...args) {
  const source = mkdtempSync(join(folder, 'src-'));
  writeFileSync(join(source, 'train.py'), code);
  return JSON.parse(roost('submit', '--json', ...args, source, 'train.py', join(folder, 'seen'))).run_id;
}
const picture = async name => { if (pictures) { mkdirSync(pictures, {recursive: true}); await page.screenshot({path: join(pictures, name + '.png')}); } };

before(async () => {
  assert.ok(binary, 'ROOST_BINARY names the program to test');
  assert.ok(chrome, 'Chromium is needed: apt-get install chromium');
  folder = mkdtempSync(join(tmpdir(), 'roost-browser-'));
  port = await freePort();
  await startServer();
  browser = await chromium.launch({executablePath: chrome, timeout: atMost, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
});
after(async () => {
  await browser?.close();
  server?.kill('SIGTERM');
  await new Promise(resolve => server ? server.once('exit', resolve) : resolve());
  rmSync(folder, {recursive: true, force: true});
});

const CODE = `
import math, pathlib, sys, time
from azureml.core import Run
run = Run.get_context()
for step in range(40):
    run.log('loss', math.exp(-step / 10), step=step)
    sys.stdout.write('\\rprogress %d' % step); sys.stdout.flush()
    if step % 10 == 9:
        print('\\nepoch', step // 10, flush=True)
    while step == 20 and not pathlib.Path(sys.argv[1]).exists():  # so that the page has time to show it
        time.sleep(0.02)
    time.sleep(0.04)
open('outputs/model.txt', 'w').write('weights')
print('finished training')
`;

test('a browser that is not signed in is told how', async () => {
  page = await browser.newPage();
  page.setDefaultTimeout(atMost);
  await page.goto(url() + '/');
  await page.waitForFunction(() => document.querySelector('#warning').textContent.includes('roost open'));
  await page.close();
});

test('the link signs in, and a run is seen live: state, log, chart, files', async () => {
  const context = await browser.newContext({viewport: {width: 1280, height: 860}});
  context.setDefaultTimeout(atMost);
  page = await context.newPage();
  const problems = [];
  page.on('pageerror', error => problems.push(error.message));
  await page.goto(`${url()}/?token=${token()}`);
  assert.equal(new URL(page.url()).search, '', 'the token does not stay in the address');
  await page.waitForSelector('text=No runs yet');
  await picture('empty');

  const id = submit(CODE, '--experiment', 'birds', '--name', 'first light');
  await page.click(`[data-run="${id}"]`);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Running');
  await page.waitForFunction(() => document.querySelector('#log')?.textContent.includes('epoch 0'));
  await page.waitForSelector('#chart svg path.line');
  await picture('running');
  writeFileSync(join(folder, 'seen'), '');
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Completed');
  await page.waitForFunction(() => document.querySelector('#log').textContent.includes('finished training'));
  const log = await page.textContent('#log');
  assert.ok(!log.includes('progress 3\n') && log.includes('progress 9\nepoch 0'), 'progress bars are folded');
  await page.waitForFunction(() => [...document.querySelectorAll('#files a')].some(link => link.textContent === 'outputs/model.txt'));
  await page.waitForFunction(() => document.querySelector('#chart-name').textContent.includes('40 points'));
  assert.ok(!/\bnull\b/.test(await page.textContent('#run')), 'nothing is shown as null');
  await picture('completed');
  assert.deepEqual(problems, []);
});

test('a failed run says why, and one can be cancelled from the page', async () => {
  const bad = submit('raise ValueError("no such bird")');
  await page.click(`[data-run="${bad}"]`);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Failed');
  await page.waitForFunction(() => document.querySelector('.error')?.textContent.includes('no such bird'));
  await picture('failed');

  const long = submit('import time; time.sleep(600)');
  await page.click(`[data-run="${long}"]`);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Running');
  await page.click('#head button.act');
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Canceled');
});

test('a link to a run selects that run', async () => {
  const id = submit('print("of the link")');
  const newer = submit('print("a newer one")');
  const other = await page.context().newPage();
  await other.goto(url() + '/#' + encodeURIComponent(id));
  await other.waitForSelector(`[data-run="${id}"][aria-current="true"]`);
  await other.waitForFunction(() => document.querySelector('#log')?.textContent.includes('of the link'));
  assert.ok((await other.textContent('#head')).includes(id));
  assert.equal(await other.isVisible('#data'), false, 'a run without data has no table of it');
  await other.goto(url() + '/#' + encodeURIComponent(newer));  // in the same tab: nothing is loaded anew
  await other.waitForSelector(`[data-run="${newer}"][aria-current="true"]`);
  await other.waitForFunction(() => document.querySelector('#log')?.textContent.includes('a newer one'));
  await other.close();
});

test('a run shows what it read and wrote', async () => {
  const data = mkdtempSync(join(folder, 'data-'));
  writeFileSync(join(data, 'a.txt'), 'bird');
  roost('data', 'upload', data, '--to', 'birds', '--name', 'birds');
  const id = submit('import os; open(os.environ["kept"] + "/b.txt", "w").write("b")', '--input', 'seen=birds', '--output', 'kept=workspaceblobstore:made,register=grown');
  await page.click(`[data-run="${id}"]`);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Completed');
  await page.waitForFunction(() => document.querySelector('#data')?.textContent.includes('grown:1 in workspaceblobstore:made'));
  const rows = await page.$$eval('#data tr', all => all.map(row => [...row.cells].map(cell => cell.textContent)));
  assert.deepEqual(rows[1].slice(0, 3), ['reads', 'seen', 'birds:1']);
  assert.deepEqual(rows[2].slice(0, 3), ['writes', 'kept', 'grown:1 in workspaceblobstore:made']);
  assert.match(rows[1][3], /^mount, (bind|links|copy)$/);
  await picture('data');
});

test('the page finds the server again after a restart', async () => {
  server.kill('SIGKILL');
  await new Promise(resolve => server.once('exit', resolve));
  await page.waitForFunction(() => document.querySelector('#warning').textContent.includes('does not answer'));
  await picture('server-down');
  await startServer();
  const id = submit('print("after the restart")');
  await page.waitForSelector(`[data-run="${id}"]`);
  await page.click(`[data-run="${id}"]`);
  await page.waitForFunction(() => document.querySelector('#log')?.textContent.includes('after the restart'));
});
