// SPDX-License-Identifier: MIT
// Builds the folder that jabirud serves: node build.mjs OUTPUT
//
// Copies what our pages need from converse.js and the pages themselves, puts content hashes into
// file names, compresses text once and for all, and writes `manifest`, which the server reads at
// boot (src/server/web_assets.h describes it). Needs node_modules beside it and no network.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? '');
if (process.argv.length !== 3) {
    console.error('usage: node build.mjs OUTPUT');
    process.exit(2);
}

const pages = path.join(here, 'pages');
const converse = path.join(here, 'node_modules', 'converse.js');

const types = {
    '.css': 'text/css; charset=utf-8',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.mp3': 'audio/mpeg',
    '.ogg': 'audio/ogg',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
    '.ttf': 'font/ttf',
    '.txt': 'text/plain; charset=utf-8',
};
const compressible = new Set(['.css', '.html', '.js', '.json', '.svg', '.ttf', '.txt']);

// What a page may load. Everything comes from the host that served it. Converse inserts <style>
// elements and style attributes while it runs, hence 'unsafe-inline' for styles on its page only.
const common = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    + "form-action 'self'; frame-ancestors 'none'; ";
const policies = {
    page: common + "img-src 'self'; style-src 'self'",
    chat: common + "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; "
        + "style-src 'self' 'unsafe-inline'",
};

// Pages at their address; a name without a slash is a template: the server fills it in, nobody
// can ask for it.
const documents = [
    { at: '/', file: 'index.html', policy: 'page' },
    { at: '/chat/', file: 'chat.html', policy: 'chat' },
    { at: '/xmpp-websocket', file: 'websocket.html', policy: 'page' },
    { at: 'claim.html', file: 'claim.html', policy: 'page' },
    { at: 'claim_gone.html', file: 'claim_gone.html', policy: 'page' },
    { at: 'error.html', file: 'error.html', policy: 'page' },
];

function hash(...parts) {
    const h = createHash('sha256');
    for (const part of parts)
        h.update(part);
    return h.digest('hex').slice(0, 12);
}

function list(folder) {
    return fs.readdirSync(folder).sort();
}

// The files of converse.js that the chat page loads: [name below its folder, name in the package].
function converse_files() {
    const names = ['converse.min.js', 'converse.min.css', 'emoji.json', 'images/custom_emojis/converse.png',
        'images/custom_emojis/xmpp.png', 'sounds/msg_received.mp3', 'sounds/msg_received.ogg',
        'webfonts/baumans.ttf', 'webfonts/muli.ttf'];
    const locales = 'chunkjs/locales';
    const dayjs = new Set(list(path.join(converse, 'dist', locales, 'dayjs')));
    for (const name of list(path.join(converse, 'dist', locales))) {
        const found = /^(\w+)-LC_MESSAGES-converse-po\.js$/.exec(name);
        if (!found)
            continue;
        names.push(`${locales}/${name}`);
        const tag = found[1].toLowerCase().replace('_', '-');
        const dates = `${tag === 'ug' ? 'ug-cn' : tag}-js.js`;
        if (dayjs.has(dates))
            names.push(`${locales}/dayjs/${dates}`);
    }
    return [...names.map((name) => [name, `dist/${name}`]), ['LICENSE.txt', 'LICENSE']];
}

// Every asset: { at, type, cache, policy, body }.
function collect() {
    const assets = [];
    const renamed = new Map();
    const rename = (text) => {
        for (const [from, to] of renamed)
            text = text.replaceAll(from, to);
        return text;
    };
    const add = (at, name, cache, policy, body) =>
        assets.push({ at, name, type: types[path.extname(name)], cache, policy, body });

    const files = converse_files().map(([name, source]) =>
        ({ name, body: fs.readFileSync(path.join(converse, source)) }));
    const folder = `/chat/converse-${hash(...files.flatMap((f) => [f.name, '\0', f.body]))}/`;
    renamed.set('/chat/converse/', folder);
    for (const { name, body } of files)
        add(folder + name, name, 'immutable', '-', body);

    // Pictures before styles before scripts: each may name what comes earlier.
    const order = ['.svg', '.png', '.css', '.js'];
    const ours = list(path.join(pages, 'assets'));
    for (const kind of order) {
        for (const name of ours.filter((n) => path.extname(n) === kind)) {
            let body = fs.readFileSync(path.join(pages, 'assets', name));
            if (kind !== '.png')
                body = Buffer.from(rename(body.toString()));
            const at = `/assets/${path.basename(name, kind)}-${hash(body)}${kind}`;
            add(at, name, 'immutable', '-', body);
            renamed.set(`/assets/${name}`, at);
        }
    }
    for (const { at, file, policy } of documents)
        add(at, file, 'revalidate', policy,
            Buffer.from(rename(fs.readFileSync(path.join(pages, file), 'utf8'))));
    const icon = fs.readFileSync(path.join(pages, 'assets', 'jabiru.svg'));
    add('/favicon.ico', 'jabiru.svg', 'revalidate', '-', icon);
    add('/robots.txt', 'robots.txt', 'revalidate', '-', Buffer.from('User-agent: *\nDisallow: /\n'));
    return assets;
}

function squeeze(asset) {
    if (!compressible.has(path.extname(asset.name)) || !asset.at.startsWith('/'))
        return {};
    const { BROTLI_PARAM_SIZE_HINT: hint, BROTLI_PARAM_QUALITY: quality } = zlib.constants;
    const gzip = zlib.gzipSync(asset.body, { level: 9 });
    const br = zlib.brotliCompressSync(asset.body,
        { params: { [hint]: asset.body.length, [quality]: 11 } });
    const worth = asset.body.length - 64;
    return { gzip: gzip.length < worth ? gzip : undefined, br: br.length < worth ? br : undefined };
}

// Changes when any input does; what we did not write ourselves is pinned by the lock file.
function fingerprint() {
    const parts = [process.version];
    for (const name of ['build.mjs', 'package-lock.json', ...list(pages).map((n) => `pages/${n}`),
        ...list(path.join(pages, 'assets')).map((n) => `pages/assets/${n}`)]) {
        const file = path.join(here, name);
        if (fs.statSync(file).isFile())
            parts.push(name, '\0', fs.readFileSync(file));
    }
    return hash(...parts);
}

function write(folder, assets, stamp) {
    const lines = ['jabiru-web 1'];
    for (const [name, text] of Object.entries(policies))
        lines.push(`policy\t${name}\t${text}`);
    const total = { identity: 0, gzip: 0, br: 0 };
    assets.sort((a, b) => Buffer.compare(Buffer.from(a.at), Buffer.from(b.at)));
    assets.forEach((asset, number) => {
        const file = `${String(number).padStart(3, '0')}-${path.basename(asset.name)}`;
        const { gzip, br } = squeeze(asset);
        fs.writeFileSync(path.join(folder, file), asset.body);
        if (gzip)
            fs.writeFileSync(path.join(folder, `${file}.gz`), gzip);
        if (br)
            fs.writeFileSync(path.join(folder, `${file}.br`), br);
        lines.push(['asset', asset.at, file, asset.type, asset.cache, asset.policy, hash(asset.body),
            asset.body.length, gzip?.length ?? '-', br?.length ?? '-'].join('\t'));
        total.identity += asset.body.length;
        total.gzip += gzip?.length ?? 0;
        total.br += br?.length ?? 0;
    });
    lines.push(`end\t${assets.length}`);
    fs.writeFileSync(path.join(folder, 'manifest'), lines.join('\n') + '\n');
    fs.writeFileSync(path.join(folder, 'stamp'), stamp + '\n');
    return total;
}

function main() {
    if (!fs.existsSync(path.join(converse, 'dist'))) {
        console.error('web: converse.js is not here; run `npm ci` in web/ first');
        process.exit(1);
    }
    const stamp = fingerprint();
    const old = path.join(out, 'stamp');
    if (fs.existsSync(old) && fs.readFileSync(old, 'utf8').trim() === stamp)
        return;
    // Built aside and moved into place, so that a server that starts meanwhile sees one whole set.
    const next = `${out}.next`;
    const last = `${out}.last`;
    fs.rmSync(next, { recursive: true, force: true });
    fs.rmSync(last, { recursive: true, force: true });
    fs.mkdirSync(next, { recursive: true });
    const assets = collect();
    const total = write(next, assets, stamp);
    if (fs.existsSync(out))
        fs.renameSync(out, last);
    fs.renameSync(next, out);
    fs.rmSync(last, { recursive: true, force: true });
    const kib = (n) => `${Math.round(n / 1024)} KiB`;
    console.log(`web: ${assets.length} files, ${kib(total.identity)}; as gzip ${kib(total.gzip)}, `
        + `as br ${kib(total.br)}`);
}

main();
