//! The component blocks and repeating groups that messages share.

use super::Group;

pub(super) const INSTRUMENT: &[u16] = &[
    55, 65, 48, 22, 460, 461, 167, 762, 200, 541, 201, 224, 225, 239, 226, 227, 228, 255, 543, 470, 471, 472,
    240, 202, 947, 206, 231, 223, 207, 106, 348, 349, 107, 350, 351, 691, 667, 875, 876, 873, 874,
];
pub(super) const UNDERLYING: &[u16] = &[
    311, 312, 309, 305, 462, 463, 310, 763, 313, 542, 315, 241, 242, 243, 244, 245, 246, 256, 595, 592, 593,
    594, 247, 316, 941, 317, 436, 435, 308, 306, 362, 363, 307, 364, 365, 877, 878, 318, 879, 810, 882, 883,
    884, 885, 886,
];
pub(super) const LEG: &[u16] = &[
    600, 601, 602, 603, 607, 608, 609, 764, 610, 611, 248, 249, 250, 251, 252, 253, 257, 599, 596, 597, 598,
    254, 612, 942, 613, 614, 615, 616, 617, 618, 619, 620, 621, 622, 623, 624, 556, 740, 739, 955, 956,
];
pub(super) const INSTRUMENT_EXTENSION: &[u16] = &[668, 869];
pub(super) const FINANCING: &[u16] = &[913, 914, 915, 918, 788, 916, 917, 919, 898];
pub(super) const ORDER_QUANTITY: &[u16] = &[38, 152, 516, 468, 469];
pub(super) const COMMISSION: &[u16] = &[12, 13, 479, 497];
pub(super) const BENCHMARK: &[u16] = &[218, 220, 221, 222, 662, 663, 699, 761];
pub(super) const YIELD: &[u16] = &[235, 236, 701, 696, 697, 698];
pub(super) const PEG: &[u16] = &[211, 835, 836, 837, 838, 840];
pub(super) const DISCRETION: &[u16] = &[388, 389, 841, 842, 843, 844, 846];
pub(super) const TEXT: &[u16] = &[58, 354, 355];

pub(super) static SECURITY_ALT_IDS: Group = Group::new(454, &[&[455, 456]], &[]);
pub(super) static EVENTS: Group = Group::new(864, &[&[865, 866, 867, 868]], &[]);
pub(super) static INSTRUMENT_ATTRIBUTES: Group = Group::new(870, &[&[871, 872]], &[]);

static PARTY_SUB_IDS: Group = Group::new(802, &[&[523, 803]], &[]);
pub(super) static PARTIES: Group = Group::new(453, &[&[448, 447, 452]], &[&PARTY_SUB_IDS]);
static NESTED_PARTY_SUB_IDS: Group = Group::new(804, &[&[545, 805]], &[]);
pub(super) static NESTED_PARTIES: Group = Group::new(539, &[&[524, 525, 538]], &[&NESTED_PARTY_SUB_IDS]);
static NESTED_2_SUB_IDS: Group = Group::new(806, &[&[760, 807]], &[]);
static NESTED_2_PARTIES: Group = Group::new(756, &[&[757, 758, 759]], &[&NESTED_2_SUB_IDS]);

pub(super) static UNDERLYING_ALT_IDS: Group = Group::new(457, &[&[458, 459]], &[]);
pub(super) static UNDERLYING_STIPULATIONS: Group = Group::new(887, &[&[888, 889]], &[]);
pub(super) static UNDERLYINGS: Group =
    Group::new(711, &[UNDERLYING], &[&UNDERLYING_ALT_IDS, &UNDERLYING_STIPULATIONS]);
static LEG_ALT_IDS: Group = Group::new(604, &[&[605, 606]], &[]);
static LEG_STIPULATIONS: Group = Group::new(683, &[&[688, 689]], &[]);
pub(super) static LEGS: Group = Group::new(555, &[LEG], &[&LEG_ALT_IDS]);
pub(super) static LISTED_LEGS: Group =
    Group::new(555, &[LEG, &[690, 587], &[676, 677, 678, 679, 680]], &[&LEG_ALT_IDS, &LEG_STIPULATIONS]);
pub(super) static TRADED_LEGS: Group = Group::new(
    555,
    &[LEG, &[687, 690, 564, 565, 654, 566, 587, 588, 637]],
    &[&LEG_ALT_IDS, &LEG_STIPULATIONS, &NESTED_PARTIES],
);

pub(super) static STIPULATIONS: Group = Group::new(232, &[&[233, 234]], &[]);
pub(super) static ORDER_ALLOCATIONS: Group = Group::new(78, &[&[79, 661, 736, 467, 80]], &[&NESTED_PARTIES]);
pub(super) static SIDE_ALLOCATIONS: Group = Group::new(78, &[&[79, 661, 736, 467, 80]], &[&NESTED_2_PARTIES]);
pub(super) static TRADING_SESSIONS: Group = Group::new(386, &[&[336, 625]], &[]);
pub(super) static CONTRA_BROKERS: Group = Group::new(382, &[&[375, 337, 437, 438, 655]], &[]);
pub(super) static CONTRACT_AMOUNTS: Group = Group::new(518, &[&[519, 520, 521]], &[]);
pub(super) static MISC_FEES: Group = Group::new(136, &[&[137, 138, 139, 891]], &[]);
pub(super) static CLEARING_INSTRUCTIONS: Group = Group::new(576, &[&[577]], &[]);
pub(super) static POSITION_AMOUNTS: Group = Group::new(753, &[&[707, 708]], &[]);
pub(super) static REGULATORY_TIMES: Group = Group::new(768, &[&[769, 770, 771]], &[]);
pub(super) static MESSAGE_TYPES: Group = Group::new(384, &[&[372, 385]], &[]);
