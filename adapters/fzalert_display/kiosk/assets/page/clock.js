/* The hub's time, whatever the clock of this machine says.

   Runs on performance.now(), so a jump of the wall clock moves nothing. Samples of the hub's time
   set it right; the issue time of a signed state is a floor, so that nobody who lies about the
   time can keep a warning up for longer than it was signed for. */
(function (fz) {
  'use strict';

  var samples = [];
  var skew = Date.now() + (fz.store.get('offset') || 0) - performance.now();
  var floor = null;
  var lastWall = Date.now();
  var lastPerf = performance.now();

  function now() {
    var perf = performance.now();
    var time = perf + skew;
    if (floor !== null) time = Math.max(time, floor.at + perf - floor.perf);
    return Math.round(time);
  }

  function set(value) {
    var before = skew;
    skew = value;
    if (Math.abs(before - value) > 250) {
      fz.store.put('offset', Math.round(skew + performance.now() - Date.now()));
      if (fz.show) fz.show.recompute();
    }
  }

  /* sent and received are readings of performance.now() around one request. */
  function sample(sent, received, hub) {
    samples.push({ trip: received - sent, skew: hub - (sent + received) / 2 });
    if (samples.length > 8) samples.shift();
    set(samples.reduce(function (best, one) {
      return one.trip < best.trip ? one : best;
    }).skew);
  }

  /* It is at least this late: the hub said so on its way here. */
  function bound(hub) {
    if (performance.now() + skew < hub) set(hub - performance.now());
  }

  function issued(at) {
    floor = { at: at, perf: performance.now() };
  }

  /* Wall and running clock part when the machine slept or its time was set. Time that passed in
     sleep counts; what was only set is put right by the next sample. */
  function watch() {
    var wall = Date.now();
    var perf = performance.now();
    var gap = wall - lastWall - (perf - lastPerf);
    lastWall = wall;
    lastPerf = perf;
    if (Math.abs(gap) < 2000) return;
    samples = [];
    if (gap > 0) set(skew + gap);
    if (fz.link) fz.link.refresh();
  }

  fz.clock = {
    now: now, sample: sample, bound: bound, issued: issued, watch: watch,
    offset: function () { return Math.round(performance.now() + skew - Date.now()); }
  };
})(window.fz);
