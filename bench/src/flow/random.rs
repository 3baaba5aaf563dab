//! Random numbers that are the same everywhere: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
//! generators", 2018), seeded by splitmix64, with draws in integers only.

/// A seeded source of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The source that `seed` stands for.
    #[must_use]
    pub fn new(mut seed: u64) -> Random {
        let state = [(); 4].map(|()| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Random { state }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    /// From 0 to `limit` - 1: the high word of a 128-bit product.
    pub fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(limit);
        u64::try_from(product >> 64).expect("the high word of a product of two words")
    }

    /// As [`Random::below`], for small signed limits.
    pub fn ticks_below(&mut self, limit: u32) -> i64 {
        self.below(u64::from(limit)).cast_signed()
    }

    /// An index below a length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("less than a usize")
    }

    /// True in `percent` of 100 draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A geometric draw of the given mean, cut at `most`.
    pub fn geometric(&mut self, mean: u64, most: i64) -> i64 {
        let mut drawn = 0;
        while drawn < most && self.below(mean + 1) != 0 {
            drawn += 1;
        }
        drawn
    }
}
