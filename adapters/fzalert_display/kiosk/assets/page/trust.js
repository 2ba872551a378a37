/* What may be shown: only a state that this page has verified by itself.

   Signed are the bytes domain || 0x00 || SHA-256(document), by the key pinned at enrolment. */
(function (fz) {
  'use strict';

  var DOMAIN = 'fz-bundle-v1';

  function bytes(hex, length) {
    if (typeof hex !== 'string' || !/^[0-9a-f]*$/.test(hex) || hex.length !== 2 * length) return null;
    return Uint8Array.from(hex.match(/../g), function (pair) { return parseInt(pair, 16); });
  }

  /* The address of a fresh enrolment carries the key: #key=… */
  function enrol() {
    var match = /^#key=([0-9a-f]{64})$/.exec(location.hash);
    if (match === null) return;
    fz.store.put('key', match[1]);
    fz.store.drop('sequence');
    fz.store.drop('state');
    fz.store.drop('seen');
    history.replaceState(null, '', location.pathname);
  }

  function verified(state, key) {
    var signature = bytes(state.sig, 64);
    var digest = sha256.array(state.doc);
    if (signature === null) return false;
    var message = new Uint8Array(DOMAIN.length + 1 + digest.length);
    for (var at = 0; at < DOMAIN.length; at += 1) message[at] = DOMAIN.charCodeAt(at);
    message.set(digest, DOMAIN.length + 1);
    return nacl.sign.detached.verify(message, signature, key);
  }

  /* Returns {document} or {refused: reason}. */
  function judge(state) {
    var pinned = fz.store.get('key');
    var key = bytes(pinned, 32);
    if (key === null) return { refused: 'key:none' };
    if (!state || typeof state.doc !== 'string') return { refused: 'malformed' };
    if (state.key !== pinned) return { refused: 'key' };
    if (!verified(state, key)) return { refused: 'signature' };
    var document_;
    try {
      document_ = JSON.parse(state.doc);
    } catch (broken) {
      return { refused: 'malformed' };
    }
    if (document_.format !== 2) return { refused: 'format', page: document_.page };
    if (document_.display !== fz.display) return { refused: 'display' };
    if (document_.sequence < (fz.store.get('sequence') || 0)) return { refused: 'sequence' };
    return { document: document_ };
  }

  function accept(state, document_) {
    fz.store.put('sequence', document_.sequence);
    fz.store.put('state', state);
  }

  fz.trust = { enrol: enrol, judge: judge, accept: accept };
})(window.fz);
