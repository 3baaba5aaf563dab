//! The messages of this exchange: which fields each may have and which it must have.

use super::blocks::{
    BENCHMARK, CLEARING_INSTRUCTIONS, COMMISSION, CONTRA_BROKERS, CONTRACT_AMOUNTS, DISCRETION, EVENTS,
    FINANCING, INSTRUMENT, INSTRUMENT_ATTRIBUTES, INSTRUMENT_EXTENSION, LEGS, LISTED_LEGS, MESSAGE_TYPES,
    MISC_FEES, ORDER_ALLOCATIONS, ORDER_QUANTITY, PARTIES, PEG, POSITION_AMOUNTS, REGULATORY_TIMES,
    SECURITY_ALT_IDS, SIDE_ALLOCATIONS, STIPULATIONS, TEXT, TRADED_LEGS, TRADING_SESSIONS, UNDERLYING,
    UNDERLYING_ALT_IDS, UNDERLYING_STIPULATIONS, UNDERLYINGS, YIELD,
};
use super::{Group, MessageRule, Speaker};

const IN: Speaker = Speaker::Client;
const LINE: Speaker = Speaker::LineClient;
const OUT: Speaker = Speaker::Exchange;

/// Every message type that is spoken here, in either direction.
pub static ALL: &[&MessageRule] = &[
    &HEARTBEAT,
    &TEST_REQUEST,
    &RESEND_REQUEST,
    &REJECT,
    &SEQUENCE_RESET,
    &LOGOUT,
    &EXECUTION_REPORT,
    &ORDER_CANCEL_REJECT,
    &LOGON,
    &NEW_ORDER_SINGLE,
    &ORDER_CANCEL_REQUEST,
    &ORDER_CANCEL_REPLACE_REQUEST,
    &ORDER_STATUS_REQUEST,
    &ORDER_MASS_STATUS_REQUEST,
    &ORDER_MASS_CANCEL_REQUEST,
    &ORDER_MASS_CANCEL_REPORT,
    &BUSINESS_MESSAGE_REJECT,
    &SECURITY_LIST_REQUEST,
    &SECURITY_LIST,
    &SECURITY_STATUS_REQUEST,
    &SECURITY_STATUS,
    &TRADING_SESSION_STATUS_REQUEST,
    &TRADING_SESSION_STATUS,
    &MARKET_DATA_REQUEST,
    &REQUEST_FOR_POSITIONS,
    &MARKET_DATA_SNAPSHOT,
    &MARKET_DATA_INCREMENTAL,
    &MARKET_DATA_REQUEST_REJECT,
    &TRADE_CAPTURE_REPORT,
];

/// The rule of a message type that is spoken here.
#[inline]
pub fn message(msg_type: &[u8]) -> Option<&'static MessageRule> {
    Some(match msg_type {
        b"D" => &NEW_ORDER_SINGLE,
        b"F" => &ORDER_CANCEL_REQUEST,
        b"G" => &ORDER_CANCEL_REPLACE_REQUEST,
        _ => ALL.iter().find(|rule| rule.msg_type.as_bytes() == msg_type)?,
    })
}

/// Whether FIX 4.4 has this message type, spoken here or not.
pub fn is_known(msg_type: &[u8]) -> bool {
    match msg_type {
        [b'I' | b'O' | b'U'] => false,
        [b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'] | [b'A', b'A'..=b'Z'] | [b'B', b'A'..=b'H'] => true,
        _ => false,
    }
}

static HEARTBEAT: MessageRule = MessageRule::new("0", IN, &[], &[&[112]], &[]);
static TEST_REQUEST: MessageRule = MessageRule::new("1", IN, &[112], &[], &[]);
static RESEND_REQUEST: MessageRule = MessageRule::new("2", IN, &[7, 16], &[], &[]);
static REJECT: MessageRule = MessageRule::new("3", IN, &[45], &[&[371, 372, 373], TEXT], &[]);
static SEQUENCE_RESET: MessageRule = MessageRule::new("4", IN, &[36], &[&[123]], &[]);
static LOGOUT: MessageRule = MessageRule::new("5", IN, &[], &[TEXT], &[]);
static LOGON: MessageRule =
    MessageRule::new("A", IN, &[98, 108], &[&[95, 96, 141, 789, 383, 464, 553, 554]], &[&MESSAGE_TYPES]);

static NEW_ORDER_SINGLE: MessageRule = MessageRule::new(
    "D",
    IN,
    &[11, 55, 54, 60, 40],
    &[
        ORDER,
        &[70, 23, 81, 100, 114, 117, 121, 140, 203, 640],
        INSTRUMENT,
        FINANCING,
        ORDER_QUANTITY,
        BENCHMARK,
        YIELD,
        COMMISSION,
        PEG,
        DISCRETION,
        TEXT,
    ],
    ORDER_GROUPS,
);
static ORDER_CANCEL_REPLACE_REQUEST: MessageRule = MessageRule::new(
    "G",
    IN,
    &[11, 41, 55, 54, 60, 40],
    &[
        ORDER,
        &[37, 66, 70, 100, 114, 121, 203, 586, 640],
        INSTRUMENT,
        FINANCING,
        ORDER_QUANTITY,
        BENCHMARK,
        YIELD,
        COMMISSION,
        PEG,
        DISCRETION,
        TEXT,
    ],
    &[&PARTIES, &ORDER_ALLOCATIONS, &TRADING_SESSIONS, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS],
);
/// What a new order and a replacement have in common, beside blocks.
const ORDER: &[u16] = &[
    526, 583, 229, 75, 1, 660, 581, 589, 590, 591, 63, 64, 544, 635, 21, 18, 110, 111, 854, 423, 44, 99, 15,
    376, 377, 59, 168, 432, 126, 427, 528, 529, 582, 120, 775, 193, 192, 77, 210, 847, 848, 849, 480, 481,
    513, 494,
];
const ORDER_GROUPS: &[&Group] = &[
    &PARTIES,
    &ORDER_ALLOCATIONS,
    &TRADING_SESSIONS,
    &SECURITY_ALT_IDS,
    &EVENTS,
    &UNDERLYINGS,
    &STIPULATIONS,
];

static ORDER_CANCEL_REQUEST: MessageRule = MessageRule::new(
    "F",
    IN,
    &[11, 41, 55, 54, 60],
    &[&[37, 526, 583, 66, 586, 1, 660, 581, 376], INSTRUMENT, FINANCING, ORDER_QUANTITY, TEXT],
    &[&PARTIES, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS],
);
static ORDER_STATUS_REQUEST: MessageRule = MessageRule::new(
    "H",
    IN,
    &[11, 55, 54],
    &[&[37, 526, 583, 790, 1, 660], INSTRUMENT, FINANCING],
    &[&PARTIES, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS],
);
static ORDER_MASS_STATUS_REQUEST: MessageRule = MessageRule::new(
    "AF",
    IN,
    &[584, 585],
    &[&[1, 660, 336, 625, 54], INSTRUMENT, UNDERLYING],
    &[&PARTIES, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYING_ALT_IDS, &UNDERLYING_STIPULATIONS],
);
static ORDER_MASS_CANCEL_REQUEST: MessageRule = MessageRule::new(
    "q",
    IN,
    &[11, 530, 60],
    // Account (1) is not in 4.4's message; this exchange takes it.
    &[&[526, 336, 625, 54, 1], INSTRUMENT, UNDERLYING, TEXT],
    &[&SECURITY_ALT_IDS, &EVENTS, &UNDERLYING_ALT_IDS, &UNDERLYING_STIPULATIONS],
);
static SECURITY_LIST_REQUEST: MessageRule = MessageRule::new(
    "x",
    IN,
    &[320, 559],
    &[&[15, 336, 625, 263], INSTRUMENT, INSTRUMENT_EXTENSION, FINANCING, TEXT],
    &[&SECURITY_ALT_IDS, &EVENTS, &INSTRUMENT_ATTRIBUTES, &UNDERLYINGS, &LEGS],
);
static SECURITY_STATUS_REQUEST: MessageRule = MessageRule::new(
    "e",
    IN,
    &[324, 55, 263],
    &[&[15, 336, 625], INSTRUMENT, INSTRUMENT_EXTENSION],
    &[&SECURITY_ALT_IDS, &EVENTS, &INSTRUMENT_ATTRIBUTES, &UNDERLYINGS, &LEGS],
);
static TRADING_SESSION_STATUS_REQUEST: MessageRule =
    MessageRule::new("g", IN, &[335, 263], &[&[336, 625, 338, 339]], &[]);
static MARKET_DATA_REQUEST: MessageRule = MessageRule::new(
    "V",
    IN,
    &[262, 263, 264, 267, 146],
    &[&[265, 266, 286, 546, 547, 815, 812]],
    &[&ENTRY_TYPES, &REQUESTED_INSTRUMENTS, &TRADING_SESSIONS],
);
/// What stands for the member and its clearing in the standard's message goes without saying in a line.
static REQUEST_FOR_POSITIONS: MessageRule = MessageRule::new("AN", LINE, &[710, 724], &[&[1]], &[]);
static ENTRY_TYPES: Group = Group::new(267, &[&[269]], &[]);
static REQUESTED_INSTRUMENTS: Group =
    Group::new(146, &[INSTRUMENT], &[&SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS, &LEGS]);

static EXECUTION_REPORT: MessageRule = MessageRule::new(
    "8",
    OUT,
    &[37, 17, 150, 39, 55, 54, 151, 14, 6],
    &[
        &[
            198, 11, 41, 693, 584, 911, 912, 66, 548, 551, 549, 19, 636, 103, 378, 40, 790, 32, 652, 31, 651,
            669, 194, 195, 30, 336, 625, 943, 29, 424, 425, 426, 60, 113, 381, 157, 230, 158, 159, 738, 920,
            921, 922, 258, 259, 260, 238, 237, 118, 119, 155, 156, 641, 442, 483, 515, 484, 485, 638, 639,
            851, 797, 839, 845, 850, 527,
        ],
        ORDER,
        INSTRUMENT,
        FINANCING,
        ORDER_QUANTITY,
        BENCHMARK,
        YIELD,
        COMMISSION,
        PEG,
        DISCRETION,
        TEXT,
    ],
    &[
        &PARTIES,
        &CONTRA_BROKERS,
        &SECURITY_ALT_IDS,
        &EVENTS,
        &UNDERLYINGS,
        &STIPULATIONS,
        &CONTRACT_AMOUNTS,
        &TRADED_LEGS,
        &MISC_FEES,
    ],
);
static ORDER_CANCEL_REJECT: MessageRule = MessageRule::new(
    "9",
    OUT,
    &[37, 11, 41, 39, 434],
    &[&[198, 526, 583, 636, 586, 66, 1, 660, 581, 229, 75, 60, 102], TEXT],
    &[],
);
static ORDER_MASS_CANCEL_REPORT: MessageRule = MessageRule::new(
    "r",
    OUT,
    &[37, 530, 531],
    &[&[11, 526, 198, 532, 533, 336, 625, 54, 60], INSTRUMENT, UNDERLYING, TEXT],
    &[&AFFECTED_ORDERS, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYING_ALT_IDS, &UNDERLYING_STIPULATIONS],
);
static AFFECTED_ORDERS: Group = Group::new(534, &[&[41, 535, 536]], &[]);
static BUSINESS_MESSAGE_REJECT: MessageRule =
    MessageRule::new("j", OUT, &[372, 380], &[&[45, 379], TEXT], &[]);
static SECURITY_LIST: MessageRule =
    MessageRule::new("y", OUT, &[320, 322, 560], &[&[393, 893]], &[&LISTED_INSTRUMENTS]);
static LISTED_INSTRUMENTS: Group = Group::new(
    146,
    &[INSTRUMENT, INSTRUMENT_EXTENSION, FINANCING, BENCHMARK, YIELD, TEXT, &[15, 561, 562, 827, 336, 625]],
    &[&SECURITY_ALT_IDS, &EVENTS, &INSTRUMENT_ATTRIBUTES, &UNDERLYINGS, &STIPULATIONS, &LISTED_LEGS],
);
static SECURITY_STATUS: MessageRule = MessageRule::new(
    "f",
    OUT,
    &[55],
    &[
        &[324, 15, 336, 625, 325, 326, 291, 292, 327, 328, 329, 330, 331, 332, 333, 31, 60, 334],
        INSTRUMENT,
        INSTRUMENT_EXTENSION,
        TEXT,
    ],
    &[&SECURITY_ALT_IDS, &EVENTS, &INSTRUMENT_ATTRIBUTES, &UNDERLYINGS, &LEGS],
);
static TRADING_SESSION_STATUS: MessageRule = MessageRule::new(
    "h",
    OUT,
    &[336, 340],
    &[&[335, 625, 338, 339, 325, 567, 341, 342, 343, 344, 345, 387], TEXT],
    &[],
);
static MARKET_DATA_SNAPSHOT: MessageRule = MessageRule::new(
    "W",
    OUT,
    &[55, 268],
    &[&[262, 291, 292, 451, 813, 814], INSTRUMENT],
    &[&FULL_ENTRIES, &SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS, &LEGS],
);
static FULL_ENTRIES: Group = Group::new(268, &[&[269], ENTRY], &[]);
static MARKET_DATA_INCREMENTAL: MessageRule =
    MessageRule::new("X", OUT, &[268], &[&[262, 813, 814]], &[&CHANGED_ENTRIES]);
static CHANGED_ENTRIES: Group = Group::new(
    268,
    &[&[279, 285, 269, 278, 280, 291, 292, 451], ENTRY, INSTRUMENT],
    &[&SECURITY_ALT_IDS, &EVENTS, &UNDERLYINGS, &LEGS],
);
/// What the entries of W and X have in common.
const ENTRY: &[u16] = &[
    270, 15, 271, 272, 273, 274, 275, 336, 625, 276, 277, 282, 283, 284, 286, 59, 432, 126, 110, 18, 287, 37,
    299, 288, 289, 346, 290, 546, 811, 58, 354, 355,
];
static MARKET_DATA_REQUEST_REJECT: MessageRule =
    MessageRule::new("Y", OUT, &[262], &[&[281], TEXT], &[&ALTERNATIVE_SOURCES]);
static ALTERNATIVE_SOURCES: Group = Group::new(816, &[&[817]], &[]);

static TRADE_CAPTURE_REPORT: MessageRule = MessageRule::new(
    "AE",
    OUT,
    &[571, 570, 55, 32, 31, 75, 60, 552],
    &[
        &[
            487, 856, 568, 828, 829, 855, 830, 150, 748, 912, 325, 263, 572, 881, 818, 820, 880, 17, 39, 527,
            378, 423, 854, 822, 823, 669, 194, 195, 30, 715, 6, 819, 442, 824, 63, 64, 573, 574, 797, 852,
            853,
        ],
        INSTRUMENT,
        FINANCING,
        ORDER_QUANTITY,
        YIELD,
        BENCHMARK,
    ],
    &[
        &SECURITY_ALT_IDS,
        &EVENTS,
        &UNDERLYINGS,
        &POSITION_AMOUNTS,
        &TRADED_LEGS,
        &REGULATORY_TIMES,
        &TRADE_SIDES,
    ],
);
static TRADE_SIDES: Group = Group::new(
    552,
    &[
        &[
            54, 37, 198, 11, 526, 66, 1, 660, 581, 81, 575, 381, 826, 578, 579, 821, 15, 376, 377, 528, 529,
            582, 40, 18, 483, 336, 625, 943, 157, 230, 158, 159, 738, 920, 921, 922, 238, 237, 118, 119, 120,
            155, 156, 77, 752, 825, 591, 70,
        ],
        COMMISSION,
        TEXT,
    ],
    &[&PARTIES, &CLEARING_INSTRUCTIONS, &CONTRACT_AMOUNTS, &STIPULATIONS, &MISC_FEES, &SIDE_ALLOCATIONS],
);
