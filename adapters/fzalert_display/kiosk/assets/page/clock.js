/* The hub's time, whatever the clock of this machine says.

   Runs on performance.now(), so a jump of the wall clock moves nothing. Samples of the hub's time
   set it right; the issue time of a signed state is a floor, so that nobody who lies about the
   time can keep a warning up for longer than it was signed for. A page that starts without the hub
   and finds its clock behind the time that it knew before is suspect: it does not know what has
   expired, so it shows nothing of the hub until the hub tells the time. */
(function (fz) {
  'use strict';

  var SLACK = 2000;
  var NOTE_EVERY = 30000;
  var samples = [];
  var skew = Date.now() + (fz.store.get('offset') || 0) - performance.now();
  var suspect = (fz.store.get('seen') || 0) - SLACK > performance.now() + skew;
  var floor = null;
  var lastWall = Date.now();
  var lastPerf = performance.now();
  var notedAt = -NOTE_EVERY;

  function now() {
    var perf = performance.now();
    var time = perf + skew;
    if (floor !== null) time = Math.max(time, floor.at + perf - floor.perf);
    return Math.round(time);
  }

  function keep() {
    fz.store.put('offset', offset());
    if (!suspect) fz.store.put('seen', now());
  }

  function set(value) {
    var before = skew;
    skew = value;
    if (Math.abs(before - value) <= 250) return;
    keep();
    if (fz.show) fz.show.recompute();
  }

  function offset() {
    return Math.round(performance.now() + skew - Date.now());
  }

  /* sent and received are readings of performance.now() around one request. */
  function sample(sent, received, hub) {
    var was = suspect;
    suspect = false;
    samples.push({ trip: received - sent, skew: hub - (sent + received) / 2 });
    if (samples.length > 8) samples.shift();
    set(samples.reduce(function (best, one) {
      return one.trip < best.trip ? one : best;
    }).skew);
    if (was) {
      keep();
      fz.show.recompute();
    }
  }

  /* It is at least this late: the hub said so on its way here. */
  function bound(hub) {
    if (performance.now() + skew < hub) set(hub - performance.now());
  }

  function issued(at) {
    floor = { at: at, perf: performance.now() };
  }

  /* The same for the state that was kept over a restart, before the hub was asked. */
  function resumed(at) {
    suspect = suspect || at - SLACK > performance.now() + skew;
    issued(at);
  }

  /* Wall and running clock part when the machine slept or its time was set. The hub knows which it
     was; without it time that passed counts, so that nothing stays up for too long. */
  function watch() {
    var wall = Date.now();
    var perf = performance.now();
    var gap = wall - lastWall - (perf - lastPerf);
    lastWall = wall;
    lastPerf = perf;
    if (perf - notedAt > NOTE_EVERY) {
      notedAt = perf;
      keep();
    }
    if (Math.abs(gap) < SLACK) return;
    keep();
    samples = [];
    fz.link.refresh(SLACK).then(function (told) {
      if (!told && gap > 0) set(skew + gap);
    });
  }

  fz.clock = {
    now: now, sample: sample, bound: bound, issued: issued, resumed: resumed, watch: watch, offset: offset,
    isSuspect: function () { return suspect; }
  };
})(window.fz);
