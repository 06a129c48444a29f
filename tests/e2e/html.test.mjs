// SPDX-License-Identifier: Apache-2.0
// k6/html beyond the conformance cases: selectors, traversal, elements' own methods, forms of a real page over HTTP.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { run, scratch, serve } from '../support/lab.mjs';

async function lines(t, text, env = []) {
  const folder = scratch(t, { 's.js': text });
  const { code, stderr } = await run(['k6', 'run', '-q', '--log-format', 'json', ...env, join(folder, 's.js')]);
  assert.equal(code, 0, stderr);
  return stderr.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l)).filter((l) => l.source === 'console').map((l) => l.msg);
}

const page = `<!doctype html><html><body><div id="a" class="x y" data-count="3" data-on="true" data-obj='{"k":[1]}'>
<p>one</p><p class="second">two <b>bold</b></p><p lang="cs">tři &amp; <i>čtyři</i></p></div>
<a id="l" href="https://user:pw@shop.test:8443/path/page?q=1#part" rel="next nofollow">link</a>
<table><tr><td>1</td><td colspan="2">2</td></tr></table>
<select multiple name="m"><option value="1" selected>one<option selected>two<option>three</select></body></html>`;

test('selectors as goquery has them', async (t) => {
  const out = await lines(t, `import { parseHTML } from 'k6/html';
const doc = parseHTML(${JSON.stringify(page)});
export default () => {
  for (const s of ['p', '#a > p', 'p:first-child', 'p:last-child', 'p:nth-child(2n+1)', 'p:not(.second)', 'p:has(b)', 'p:contains("two")', 'div.x.y p ~ p', 'p + p', '[lang^=c]', '[class~=y]', 'p, td', '*:empty', 'td[colspan="2"]', 'b, b'])
    console.log(s, doc.find(s).size());
  try { console.log('bad', doc.find('p[').size()); } catch (e) { console.log('bad selector', typeof e.message); }
};`);
  assert.deepEqual(out.slice(0, 16), ['p 3', '#a > p 3', 'p:first-child 1', 'p:last-child 1', 'p:nth-child(2n+1) 2', 'p:not(.second) 2', 'p:has(b) 1', 'p:contains("two") 1', 'div.x.y p ~ p 2',
    'p + p 2', '[lang^=c] 1', '[class~=y] 1', 'p, td 5', '*:empty 1', 'td[colspan="2"] 1', 'b, b 1']);
  assert.match(out[16], /^bad/);
});

test('selections and elements', async (t) => {
  const out = await lines(t, `import { parseHTML } from 'k6/html';
const doc = parseHTML(${JSON.stringify(page)});
export default () => {
  const div = doc.find('#a'), show = (...v) => console.log(JSON.stringify(v));
  show(div.data('count'), div.data('on'), div.data('obj').k, div.attr('class'), div.attr('none', 'fallback'));
  show(div.children().eq(1).html(), div.children().last().text(), div.find('b').parent().attr('class'), div.children().slice(1).size(), div.find('p').end().attr('id'));
  show(doc.find('p').map((i, e) => e.text().trim()), doc.find('p').filter((i, e) => i > 0).size(), doc.find('p').index(doc.find('.second')), doc.find('b').closest('div').is('#a'));
  show(doc.find('select').val(), doc.find('.second').prevAll().size(), doc.find('p').first().nextUntil('[lang]').size(), doc.find('p').not('.second').add('td').size());
  const a = doc.find('#l').get(0);
  show(a.host(), a.hostname(), a.port(), a.protocol(), a.pathname(), a.search(), a.hash(), a.username(), a.relList(), a.nodeName());
  const el = doc.find('.second').get(0);
  show(el.textContent(), el.previousElementSibling().textContent(), el.childElementCount(), el.classList(), el.querySelector('b').innerHTML(), el.matches('p.second'), el.contains(el.querySelector('b')), el.nodeType());
  show(doc.find('td').get(1).colSpan(), doc.find('tr').get(0).cells().length, doc.find('select').get(0).selectedOptions().length);
};`);
  assert.deepEqual(out.map((l) => JSON.parse(l)), [
    [3, true, [1], 'x y', 'fallback'],
    ['two <b>bold</b>', 'tři & čtyři', 'second', 2, 'a'],
    [['one', 'two bold', 'tři & čtyři'], 2, 1, true],
    [['1', 'two'], 1, 1, 4],
    ['shop.test:8443', 'shop.test', '8443', 'https:', '/path/page', '?q=1', '#part', 'user', ['next', 'nofollow'], 'a'],
    ['two bold', 'one', 1, ['second'], 'bold', true, true, 1],
    [2, 2, 2],
  ]);
});

test('a form of a page is sent with its cookies, and a link followed', async (t) => {
  const server = await serve(t, (req, res, body) => {
    if (req.url === '/form') {
      res.setHeader('Set-Cookie', 'session=1');
      res.end('<form id=f action="send" method="post"><input type=hidden name=token value=t1><input name=user value=old><input type=checkbox name=c checked=checked>'
        + '<input type=submit name=go value=Go></form><a href="/next?x=1">next</a>');
    } else {
      res.end(`${req.method} ${req.url} ${req.headers.cookie} ${body}`);
    }
  });
  const out = await lines(t, `import http from 'k6/http';
export default () => {
  const page = http.get('${server.base}/form');
  console.log(page.submitForm({ formSelector: '#f', fields: { user: 'new' } }).body);
  console.log(page.clickLink({ selector: 'a' }).body);
  console.log(page.html('a').attr('href'), page.html().find('input').size());
};`);
  assert.match(out[0], /^POST \/send session=1 /);
  assert.deepEqual([...new URLSearchParams(out[0].split(' ')[3])].sort(), [['c', 'on'], ['go', 'Go'], ['token', 't1'], ['user', 'new']]);
  assert.match(out[1], /^GET \/next\?x=1 session=1/);
  assert.equal(out[2], '/next?x=1 4');
});
