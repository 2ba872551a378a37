/* Lets the screen's page start while the hub is away, and keeps the pictures and videos of its idle
   cards. State and reports never come from here. What a file must be, the page compares each time;
   here it is compared once, so that nothing wrong takes the room of something right. */
'use strict';

const CACHE = 'fz ' + self.registration.scope + ' @VERSION@';
const MEDIA = 'fz-media ' + self.registration.scope;
const BOOK = 'book.json';
const KEEP_BYTES = Number('@KEEP_MB@') * 1048576;
const ASSETS = ['kiosk.css', 'kiosk.js', 'kiosk.svg', 'nacl-fast.min.js', 'sha256.min.js'].map(function (name) {
  return '../../assets/' + name + '?v=@VERSION@';
});
const NETWORK_WITHIN = 3000;

self.addEventListener('install', function (event) {
  event.waitUntil(caches.open(CACHE).then(function (cache) {
    return cache.addAll(['./'].concat(ASSETS));
  }).then(function () { return self.skipWaiting(); }));
});

self.addEventListener('activate', function (event) {
  const mine = 'fz ' + self.registration.scope + ' ';
  event.waitUntil(caches.keys().then(function (names) {
    return Promise.all(names.filter(function (name) {
      return name.indexOf(mine) === 0 && name !== CACHE;
    }).map(function (name) { return caches.delete(name); }));
  }).then(function () { return self.clients.claim(); }));
});

function fromNetwork(request) {
  return new Promise(function (resolve, reject) {
    setTimeout(reject, NETWORK_WITHIN, new Error('no answer in time'));
    fetch(request).then(resolve, reject);
  });
}

/* A browser that was shut out must not start from what it kept. */
async function page(request) {
  const cache = await caches.open(CACHE);
  let answer;
  try {
    answer = await fromNetwork(request);
  } catch (away) {
    return (await cache.match('./')) || Response.error();
  }
  if (answer.status === 200) await cache.put('./', answer.clone());
  if (answer.status === 401) await cache.delete('./');
  return answer;
}

async function asset(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) || fetch(request);
}

/* -- pictures and videos: the least used go first when there is no room ------------------------- */

const underWay = {};
let books = Promise.resolve();

/* The book has {bytes, used} of each path; one change at a time. */
function change(how) {
  const turn = books.then(async function () {
    const cache = await caches.open(MEDIA);
    const kept = await cache.match(BOOK);
    const book = kept ? await kept.json() : {};
    await how(book, cache);
    await cache.put(BOOK, new Response(JSON.stringify(book)));
  });
  books = turn.catch(function (failed) { self.lastError = String(failed); });
  return books;
}

async function room() {
  const storage = self.navigator.storage;
  const estimate = storage && storage.estimate ? await storage.estimate() : {};
  return Math.min(KEEP_BYTES, (estimate.quota || Infinity) / 2);
}

async function makeRoom(book, cache, bytes, most) {
  const oldest = Object.keys(book).sort(function (one, other) { return book[one].used - book[other].used; });
  let total = oldest.reduce(function (sum, path) { return sum + book[path].bytes; }, bytes);
  for (const path of oldest) {
    if (total <= most) return;
    total -= book[path].bytes;
    delete book[path];
    await cache.delete(path);
  }
}

/* A file is named by the SHA-256 of its content. */
async function isNamed(path, blob) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  const hex = Array.from(digest, function (byte) { return ('0' + byte.toString(16)).slice(-2); }).join('');
  return path.slice(path.lastIndexOf('/') + 1).split('.')[0] === hex;
}

function keep(path, blob) {
  return change(async function (book, cache) {
    const most = await room();
    if (blob.size > most || !await isNamed(path, blob)) return;
    delete book[path];
    await makeRoom(book, cache, blob.size, most);
    await cache.put(path, new Response(blob, { headers: { 'Content-Type': blob.type } }));
    book[path] = { bytes: blob.size, used: Date.now() };
  });
}

/* Gives the file, or the answer that was none. */
async function fetchOnce(path) {
  const answer = await fetch(path, { credentials: 'same-origin', cache: 'no-store' });
  if (answer.status !== 200) return answer;
  const blob = await answer.blob();
  await keep(path, blob);
  return blob;
}

function download(path) {
  if (!underWay[path]) {
    const done = function () { delete underWay[path]; };
    underWay[path] = fetchOnce(path);
    underWay[path].then(done, done);
  }
  return underWay[path];
}

async function media(path) {
  const cache = await caches.open(MEDIA);
  const kept = await cache.match(path);
  if (kept) {
    change(async function (book) { if (book[path]) book[path].used = Date.now(); });
    return kept;
  }
  const found = await download(path);
  return found instanceof Blob ? new Response(found, { headers: { 'Content-Type': found.type } }) : found.clone();
}

/* The playlist as it stands: what left it goes, what is missing is fetched, one after the other. */
async function keepAll(paths) {
  await change(async function (book, cache) {
    for (const path of Object.keys(book)) {
      if (paths.indexOf(path) !== -1) continue;
      delete book[path];
      await cache.delete(path);
    }
  });
  const cache = await caches.open(MEDIA);
  for (const path of paths) {
    if (!await cache.match(path)) await download(path);
  }
}

/* A page could not use it: what no longer is what its name says is thrown away. */
function check(path) {
  return change(async function (book, cache) {
    const kept = await cache.match(path);
    if (!kept || await isNamed(path, await kept.blob())) return;
    delete book[path];
    await cache.delete(path);
  });
}

self.addEventListener('message', function (event) {
  const told = event.data || {};
  if (Array.isArray(told.keep)) event.waitUntil(keepAll(told.keep));
  else if (typeof told.check === 'string') event.waitUntil(check(told.check));
});

self.addEventListener('fetch', function (event) {
  const request = event.request;
  const address = new URL(request.url);
  if (request.method !== 'GET' || address.origin !== self.location.origin) return;
  if (request.mode === 'navigate' && address.href === self.registration.scope) event.respondWith(page(request));
  else if (address.pathname.indexOf('/assets/') !== -1) event.respondWith(asset(request));
  else if (address.pathname.indexOf('/media/') !== -1) event.respondWith(media(address.pathname));
});
