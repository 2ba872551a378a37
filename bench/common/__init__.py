"""What the benches share: the road, a carrier that costs little, raw ceilings, tables."""
