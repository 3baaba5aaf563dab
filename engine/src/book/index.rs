//! From a price to its level: a trie of 64-way nodes over the 64-bit key of a price, with every one-way stretch left out.
//!
//! A node stands where keys first differ: all keys under it agree above its six bits, and it has at least two
//! children. So a side with one level has no node at all, levels within 64 ticks of each other share one, a far price
//! costs one node more and never moves anything, and the depth is that of the differences (two where the levels lie within 4,096 ticks), at
//! most 11. No price range is assumed and there is no window to move. (D. R. Morrison, "PATRICIA", J. ACM 15, 1968,
//! with 64 branches instead of 2.)
//!
//! ```text
//!   key   ....aaaaaa bbbbbb cccccc      node: shift = 6 → looks at bbbbbb; `above` = ....aaaaaa
//! ```

use super::arena::Id;
use super::orders::{LevelId, Orders};

const BRANCH_BITS: u32 = 6;
const BRANCHES: usize = 1 << BRANCH_BITS;
const NODE_BIT: u32 = 1 << 31;

type NodeId = Id<Node>;

/// A choice between up to 64 children by six bits of the key.
#[derive(Debug)]
pub(super) struct Node {
    /// Which branches have a child.
    present: u64,
    /// Any key under this node: those bits above its six are shared by all.
    key: u64,
    shift: u32,
    children: [Link; BRANCHES],
}

impl Default for Node {
    fn default() -> Node {
        Node { present: 0, key: 0, shift: 0, children: [Link::NOTHING; BRANCHES] }
    }
}

impl Node {
    #[inline]
    fn branch(&self, key: u64) -> usize {
        branch(key, self.shift)
    }

    /// Whether a key agrees with all keys of this node above its six bits.
    fn covers(&self, key: u64) -> bool {
        (self.key ^ key) >> self.shift >> BRANCH_BITS == 0
    }

    fn set(&mut self, branch: usize, child: Link) {
        self.children[branch] = child;
        self.present |= 1 << branch;
    }

    fn clear(&mut self, branch: usize) {
        self.children[branch] = Link::NOTHING;
        self.present &= !(1 << branch);
    }

    /// The child before a branch.
    fn before(&self, branch: usize) -> Option<Link> {
        let before = self.present & ((1 << branch) - 1);
        (before != 0).then(|| self.children[before.ilog2() as usize])
    }

    fn last(&self) -> Link {
        self.children[self.present.ilog2() as usize]
    }

    fn only_child(&self) -> Option<Link> {
        self.present.is_power_of_two().then(|| self.last())
    }
}

#[inline]
fn branch(key: u64, shift: u32) -> usize {
    usize::try_from((key >> shift) & (BRANCHES as u64 - 1)).expect("six bits fit")
}

/// Nothing, a level, or a node, in four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Link(u32);

enum Target {
    Nothing,
    Level(LevelId),
    Node(NodeId),
}

impl Link {
    const NOTHING: Link = Link(0);

    fn to_level(level: LevelId) -> Link {
        Link(level.place())
    }

    fn to_node(node: NodeId) -> Link {
        Link(node.place() | NODE_BIT)
    }

    #[inline]
    fn target(self) -> Target {
        if self.0 & NODE_BIT != 0 {
            return NodeId::new(self.0 & !NODE_BIT).map_or(Target::Nothing, Target::Node);
        }
        LevelId::new(self.0).map_or(Target::Nothing, Target::Level)
    }
}

/// The top of one side's trie.
#[derive(Debug, Default)]
pub(super) struct Root(Link);

/// Where a link stands: at the top, or at a branch of a node.
#[derive(Clone, Copy)]
enum Place {
    Top,
    Branch(NodeId, usize),
}

impl Root {
    /// The level with a key.
    #[inline]
    pub(super) fn find(&self, orders: &Orders, key: u64) -> Option<LevelId> {
        let mut link = self.0;
        loop {
            match link.target() {
                Target::Nothing => return None,
                Target::Level(level) => return (orders.level_key(level) == key).then_some(level),
                Target::Node(node) => {
                    let node = &orders.nodes[node];
                    link = node.children[node.branch(key)];
                }
            }
        }
    }

    /// Adds a level whose key is not there yet, and returns the one with the next smaller key.
    pub(super) fn insert(&mut self, orders: &mut Orders, level: LevelId) -> Option<LevelId> {
        let key = orders.level_key(level);
        let mut place = Place::Top;
        let mut link = self.0;
        let mut smaller = None;
        loop {
            let other = match link.target() {
                Target::Nothing => {
                    self.put(orders, place, Link::to_level(level));
                    break;
                }
                Target::Level(other) => orders.level_key(other),
                Target::Node(id) => {
                    let node = &orders.nodes[id];
                    let branch = node.branch(key);
                    if node.covers(key) {
                        smaller = node.before(branch).or(smaller);
                        place = Place::Branch(id, branch);
                        link = node.children[branch];
                        continue;
                    }
                    node.key
                }
            };
            if other < key {
                smaller = Some(link);
            }
            let fork = fork(orders, (link, other), (Link::to_level(level), key));
            self.put(orders, place, Link::to_node(fork));
            break;
        }
        smaller.map(|link| largest(orders, link))
    }

    /// Forgets the level with a key.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn remove(&mut self, orders: &mut Orders, key: u64) {
        let mut above = Place::Top;
        let mut link = self.0;
        let mut last = None;
        while let Target::Node(id) = link.target() {
            let node = &orders.nodes[id];
            let branch = node.branch(key);
            link = node.children[branch];
            above = last.map_or(Place::Top, |(id, branch)| Place::Branch(id, branch));
            last = Some((id, branch));
        }
        assert!(link != Link::NOTHING, "no level has key {key}");
        let Some((id, branch)) = last else {
            self.0 = Link::NOTHING;
            return;
        };
        orders.nodes[id].clear(branch);
        if let Some(only) = orders.nodes[id].only_child() {
            self.put(orders, above, only);
            orders.nodes.free(id);
        }
    }

    fn put(&mut self, orders: &mut Orders, place: Place, link: Link) {
        match place {
            Place::Top => self.0 = link,
            Place::Branch(node, branch) => orders.nodes[node].set(branch, link),
        }
    }
}

/// A node with two children, where their keys first differ.
fn fork(orders: &mut Orders, one: (Link, u64), two: (Link, u64)) -> NodeId {
    let shift = (one.1 ^ two.1).ilog2() / BRANCH_BITS * BRANCH_BITS;
    let mut node = Node { key: one.1, shift, ..Node::default() };
    for (link, key) in [one, two] {
        node.set(branch(key, shift), link);
    }
    orders.nodes.insert(node).expect("there are fewer nodes than levels")
}

/// The level with the largest key under a link.
fn largest(orders: &Orders, mut link: Link) -> LevelId {
    loop {
        match link.target() {
            Target::Nothing => panic!("a trie's child leads nowhere"),
            Target::Level(level) => return level,
            Target::Node(node) => link = orders.nodes[node].last(),
        }
    }
}
