/* Lets the screen's page start while the hub is away. State and reports never come from here. */
'use strict';

const CACHE = 'fz ' + self.registration.scope + ' @VERSION@';
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

self.addEventListener('fetch', function (event) {
  const request = event.request;
  const address = new URL(request.url);
  if (request.method !== 'GET') return;
  if (request.mode === 'navigate' && address.href === self.registration.scope) event.respondWith(page(request));
  else if (address.pathname.indexOf('/assets/') !== -1) event.respondWith(asset(request));
});
