/* Draws one card. Text is data: textContent only. No number and, where the browser knows words, no
   word is broken over two lines. */
(function (fz) {
  'use strict';

  var WORDS = {
    zh: { danger: '紧急', warn: '提醒', info: '提醒', drill: '演练', topic: '谨防诈骗', slogan: '请看完再转账', until: '有效至 ' },
    en: { danger: 'Urgent', warn: 'Notice', info: 'Notice', drill: 'Drill', topic: 'Beware of fraud', slogan: 'Read before you pay', until: 'Valid until ' }
  };
  var NUMBER = /[0-9A-Za-z][0-9A-Za-z.%+\-]*元?/g;

  var words = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter('zh', { granularity: 'word' }) : null;

  function keepTogether(element, token) {
    var keep = document.createElement('span');
    keep.className = 'keep';
    keep.textContent = token;
    element.appendChild(keep);
  }

  function writeWords(element, text) {
    if (words === null) {
      element.appendChild(document.createTextNode(text));
      return;
    }
    Array.from(words.segment(text)).forEach(function (word) {
      if (word.isWordLike && word.segment.length > 1) keepTogether(element, word.segment);
      else element.appendChild(document.createTextNode(word.segment));
    });
  }

  function write(element, text) {
    var from = 0;
    text.replace(NUMBER, function (token, at) {
      if (!/[0-9]/.test(token)) return token;
      writeWords(element, text.slice(from, at));
      keepTogether(element, token);
      from = at + token.length;
      return token;
    });
    writeWords(element, text.slice(from));
  }

  /* The footer without what stands beside it already. */
  function rest(footer, who) {
    return footer.split(' · ').filter(function (part) { return who.indexOf(part) === -1; }).join(' · ');
  }

  function hours(time, offset) {
    var local = new Date(time + offset);
    return ('0' + local.getUTCHours()).slice(-2) + ':' + ('0' + local.getUTCMinutes()).slice(-2);
  }

  /* about: {who, offset}; card.kind: override, idle or safe. */
  function draw(card, about) {
    var said = WORDS[/^en/.test(card.locale) ? 'en' : 'zh'];
    var copy = document.getElementById('card').content.cloneNode(true);
    var element = copy.querySelector('.card');
    var part = function (name) { return element.querySelector(name); };
    element.className = 'card ' + card.severity;
    element.lang = card.locale;
    element.dataset.card = card.id;
    part('.word').textContent = said[card.severity];
    part('.topic').textContent = said.topic;
    part('.slogan').textContent = said.slogan;
    part('.drill').textContent = said.drill;
    part('.drill').hidden = !card.drill;
    part('.topic').hidden = card.drill;
    part('.who').textContent = about.who;
    write(part('.hotline'), rest(card.footer, about.who));
    if (card.kind === 'override') part('.until').textContent = said.until + hours(card.not_after, about.offset);
    part('.clock').textContent = hours(fz.clock.now(), about.offset);
    if (card.media) {
      element.className = 'card picture';
      element.removeChild(part('.band'));
      element.removeChild(part('.body'));
      write(part('h1'), card.title);
      part('.head').hidden = true;
      part('.view').hidden = false;
      part('.view').appendChild(fz.media.element(card));
      return element;
    }
    write(part('h1'), card.title);
    card.lines.forEach(function (text, at) {
      var line = document.createElement('p');
      var action = at === card.lines.length - 1;
      line.className = action ? 'action' : 'line';
      write(line, text);
      part(action ? '.body' : '.lines').appendChild(line);
    });
    if (card.lines.length === 0) part('.body').hidden = true;
    if (card.kind === 'override') {
      element.setAttribute('role', 'alert');
      element.setAttribute('aria-live', 'assertive');
    }
    return element;
  }

  /* The largest type, in vmin, at which the text stays within its box. */
  function fit(box, text, least, most) {
    if (box.hidden) return true;
    var fits = function (size) {
      text.style.fontSize = size + 'vmin';
      return box.scrollHeight <= box.clientHeight + 1 && box.scrollWidth <= box.clientWidth + 1;
    };
    var low = least;
    var high = most;
    if (fits(high)) return true;
    if (!fits(low)) return false;
    while (high - low > 0.25) {
      var middle = (low + high) / 2;
      if (fits(middle)) low = middle;
      else high = middle;
    }
    return fits(low);
  }

  /* A wide picture on a tall screen leaves room: then its title stands above it. */
  function caption(element) {
    var head = element.querySelector('.head');
    var view = element.querySelector('.view');
    var shown = view.firstChild;
    head.hidden = true;
    var wide = (shown.naturalWidth || shown.videoWidth) / (shown.naturalHeight || shown.videoHeight);
    head.hidden = !(view.clientWidth / wide < 0.6 * view.clientHeight);
    return head.hidden || fit(head, head.querySelector('h1'), 4, 9);
  }

  /* Call when the card is in the document. Returns whether all of it fits. */
  function fitAll(element) {
    if (element.classList.contains('picture')) return caption(element);
    var band = element.querySelector('.band');
    ['.topic', '.slogan'].forEach(function (name) {
      var part = band.querySelector(name);
      if (band.scrollWidth > band.clientWidth) part.hidden = true;
    });
    var head = element.querySelector('.head');
    var body = element.querySelector('.body');
    var title = fit(head, head.querySelector('h1'), 5, 23);
    return fit(body, body, 5, 10.5) && title;
  }

  fz.card = { draw: draw, fit: fitAll, hours: hours };
})(window.fz);
