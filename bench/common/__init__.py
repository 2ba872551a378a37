"""What the benches share: the road under test, a carrier that costs little, raw ceilings, tables."""
