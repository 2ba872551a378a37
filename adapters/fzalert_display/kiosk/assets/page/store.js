/* What the page keeps over a restart of the browser: localStorage, or memory where there is none. */
window.fz = window.fz || {};
(function (fz) {
  'use strict';

  var prefix = 'fz:' + location.pathname + ':';
  var memory = {};

  function get(name) {
    var text = null;
    try {
      text = localStorage.getItem(prefix + name);
    } catch (refused) {
      fz.lastStorageError = String(refused);
    }
    if (text === null && Object.prototype.hasOwnProperty.call(memory, name)) text = memory[name];
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch (damaged) {
      drop(name);
      return null;
    }
  }

  function put(name, value) {
    var text = JSON.stringify(value);
    memory[name] = text;
    try {
      localStorage.setItem(prefix + name, text);
    } catch (full) {
      fz.lastStorageError = String(full);
    }
  }

  function drop(name) {
    delete memory[name];
    try {
      localStorage.removeItem(prefix + name);
    } catch (refused) {
      fz.lastStorageError = String(refused);
    }
  }

  function random(bytes) {
    var raw = new Uint8Array(bytes);
    crypto.getRandomValues(raw);
    return Array.from(raw, function (one) {
      return ('0' + one.toString(16)).slice(-2);
    }).join('');
  }

  fz.store = { get: get, put: put, drop: drop };
  fz.page = random(8);
  fz.random = random;
  fz.display = decodeURIComponent(location.pathname.split('/').slice(-2)[0]);
})(window.fz);
