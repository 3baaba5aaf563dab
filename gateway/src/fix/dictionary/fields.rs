//! Every field of FIX 4.4: its type, its place in a message, its values.
//!
//! Values are listed where an inbound message of this exchange may carry the field; elsewhere any value of the
//! right type passes.

use super::TAGS;

/// A field's type, as far as its syntax goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// FIX 4.4 has no such field.
    Undefined,
    /// Printable ASCII.
    Text,
    /// One character.
    Char,
    /// A whole number, perhaps negative.
    Int,
    /// A whole number without sign: SeqNum, Length.
    Unsigned,
    /// The number of entries of a repeating group.
    Count,
    /// Price, Qty, Amt, Percentage, float.
    Decimal,
    /// Y or N.
    Boolean,
    /// Single characters with blanks between them.
    Chars,
    /// UTCTimestamp.
    Timestamp,
    /// UTCTimeOnly.
    TimeOfDay,
    /// LocalMktDate, UTCDateOnly.
    Date,
    /// `YYYYMM`, `YYYYMMDD` or `YYYYMMwN`.
    MonthYear,
    /// Any bytes.
    Data,
}

/// Where in a message a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the body.
    Header,
    /// Between header and trailer.
    Body,
    /// Behind the body.
    Trailer,
}

/// Which values a field may have.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Any of the right type.
    Any,
    /// One of these characters.
    Chars(u128),
    /// A number from the first to the last.
    Range(u32, u32),
    /// One of these words.
    Words(&'static [&'static str]),
}

/// What is known of a field.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its type.
    pub kind: Kind,
    /// Its place.
    pub place: Place,
    values: u8,
}

impl Rule {
    /// Its values.
    #[inline]
    pub fn values(self) -> Values {
        VALUES[usize::from(self.values)].1
    }
}

/// What is known of the field with this tag.
#[inline]
pub fn rule(tag: u16) -> Rule {
    RULES.get(usize::from(tag)).copied().unwrap_or(UNDEFINED)
}

/// The data field whose length a field states.
#[inline]
pub fn data_of_length(tag: i32) -> Option<i32> {
    if tag < 90 {
        return None;
    }
    match tag {
        90 | 95 | 212 | 348 | 350 | 352 | 354 | 356 | 358 | 360 | 362 | 364 | 445 | 618 | 621 => {
            Some(tag + 1)
        }
        93 => Some(89),
        _ => None,
    }
}

const UNDEFINED: Rule = Rule { kind: Kind::Undefined, place: Place::Body, values: 0 };
const LAST: u16 = 956;

static RULES: [Rule; TAGS as usize] = rules();

const fn rules() -> [Rule; TAGS as usize] {
    let mut rules = [UNDEFINED; TAGS as usize];
    let mut tag = 1;
    while tag <= LAST {
        rules[tag as usize].kind = Kind::Text;
        tag += 1;
    }
    let mut table = 0;
    while table < KINDS.len() {
        let (kind, tags) = KINDS[table];
        let mut item = 0;
        while item < tags.len() {
            rules[tags[item] as usize].kind = kind;
            item += 1;
        }
        table += 1;
    }
    rules = placed(rules, HEADER, Place::Header);
    rules = placed(rules, TRAILER, Place::Trailer);
    let mut row = 1;
    while row < VALUES.len() {
        let (tags, _) = VALUES[row];
        let mut item = 0;
        while item < tags.len() {
            rules[tags[item] as usize].values = row.to_le_bytes()[0];
            item += 1;
        }
        row += 1;
    }
    rules
}

const fn placed(mut rules: [Rule; TAGS as usize], tags: &[u16], place: Place) -> [Rule; TAGS as usize] {
    let mut item = 0;
    while item < tags.len() {
        rules[tags[item] as usize].place = place;
        item += 1;
    }
    rules
}

const HEADER: &[u16] = &[
    8, 9, 35, 49, 56, 115, 128, 90, 91, 34, 50, 142, 57, 143, 116, 144, 129, 145, 43, 97, 52, 122, 212, 213,
    347, 369, 627,
];
const TRAILER: &[u16] = &[93, 89, 10];

/// The fields that are not text. What is missing between 1 and 956 is.
const KINDS: &[(Kind, &[u16])] = &[
    (
        // Numbers of earlier versions that 4.4 has taken out.
        Kind::Undefined,
        &[
            20, 24, 46, 47, 51, 76, 86, 92, 101, 105, 109, 125, 166, 173, 174, 175, 176, 177, 178, 179, 180,
            181, 182, 183, 184, 185, 186, 187, 204, 205, 219, 261, 314, 319, 370, 439, 440, 449, 450, 465,
            653, 809, 831,
        ],
    ),
    (
        Kind::Char,
        &[
            4, 13, 25, 28, 29, 39, 40, 54, 59, 61, 63, 71, 77, 81, 94, 104, 127, 150, 156, 160, 163, 165,
            206, 263, 269, 274, 279, 281, 285, 317, 327, 374, 385, 388, 418, 419, 433, 434, 442, 447, 468,
            480, 481, 484, 497, 506, 514, 517, 525, 528, 530, 531, 544, 564, 573, 587, 589, 590, 591, 613,
            624, 21, 695, 744, 747, 758, 783, 787, 950,
        ],
    ),
    (
        Kind::Int,
        &[
            67, 68, 74, 82, 83, 87, 88, 98, 102, 103, 108, 157, 169, 172, 197, 201, 203, 209, 216, 226, 244,
            251, 264, 265, 287, 290, 297, 298, 300, 301, 303, 304, 315, 321, 323, 326, 334, 338, 339, 340,
            346, 368, 371, 373, 378, 380, 393, 394, 395, 399, 401, 409, 414, 415, 416, 417, 422, 423, 427,
            429, 430, 431, 441, 452, 460, 462, 477, 487, 492, 495, 507, 519, 522, 533, 537, 538, 549, 550,
            557, 559, 560, 563, 565, 567, 569, 577, 581, 582, 585, 607, 626, 638, 658, 660, 661, 663, 665,
            666, 668, 680, 686, 690, 692, 694, 698, 706, 709, 712, 718, 722, 723, 724, 725, 727, 728, 729,
            731, 733, 748, 749, 750, 751, 752, 759, 770, 773, 774, 775, 776, 780, 784, 786, 788, 792, 794,
            796, 798, 803, 805, 807, 808, 812, 813, 814, 815, 819, 826, 827, 828, 829, 832, 835, 836, 837,
            838, 840, 841, 842, 843, 844, 846, 847, 851, 853, 854, 855, 856, 857, 865, 871, 875, 877, 891,
            892, 895, 896, 903, 905, 906, 910, 911, 919, 924, 926, 928, 935, 937, 939, 940, 944, 945, 946,
            951, 954,
        ],
    ),
    (
        Kind::Unsigned,
        &[
            7, 9, 16, 34, 36, 45, 90, 93, 95, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 369, 383,
            445, 618, 621, 630, 789,
        ],
    ),
    (
        Kind::Count,
        &[
            85, 33, 73, 78, 124, 136, 146, 199, 215, 232, 267, 268, 295, 296, 382, 384, 386, 398, 420, 428,
            453, 454, 457, 473, 510, 518, 534, 539, 552, 555, 558, 576, 580, 604, 627, 670, 683, 702, 711,
            735, 753, 756, 768, 778, 781, 801, 802, 804, 806, 816, 862, 864, 870, 887, 897, 936, 938, 948,
            952,
        ],
    ),
    (
        Kind::Decimal,
        &[
            6, 12, 14, 31, 32, 38, 44, 53, 80, 84, 99, 110, 111, 118, 119, 132, 133, 134, 135, 137, 140, 151,
            152, 153, 154, 155, 158, 159, 188, 189, 190, 191, 192, 194, 195, 202, 210, 211, 218, 223, 227,
            228, 231, 236, 237, 238, 245, 246, 252, 253, 260, 270, 271, 293, 294, 316, 330, 331, 332, 333,
            366, 381, 387, 389, 396, 397, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 424, 425, 426,
            435, 436, 437, 451, 469, 485, 512, 516, 520, 540, 561, 562, 566, 612, 614, 615, 623, 631, 632,
            633, 634, 637, 639, 640, 641, 642, 643, 645, 646, 647, 648, 651, 652, 656, 657, 662, 669, 673,
            679, 681, 684, 685, 687, 697, 704, 705, 708, 730, 732, 734, 737, 738, 741, 742, 745, 746, 765,
            766, 799, 800, 810, 811, 834, 839, 845, 849, 850, 858, 860, 861, 863, 867, 869, 879, 882, 883,
            884, 885, 886, 890, 898, 899, 900, 901, 920, 921, 922,
        ],
    ),
    (
        Kind::Boolean,
        &[
            43, 97, 113, 114, 121, 123, 130, 141, 208, 258, 266, 325, 328, 329, 377, 411, 464, 547, 570, 575,
            636, 650, 700, 719, 720, 754, 797, 852, 893, 912,
        ],
    ),
    (Kind::Chars, &[18, 276, 277, 286, 291, 292, 529, 546]),
    (
        Kind::Timestamp,
        &[
            42, 52, 60, 62, 122, 126, 168, 341, 342, 343, 344, 345, 367, 438, 443, 483, 515, 586, 629, 769,
            779,
        ],
    ),
    (Kind::TimeOfDay, &[273]),
    (
        Kind::Date,
        &[
            64, 75, 193, 224, 225, 229, 230, 240, 241, 242, 247, 248, 249, 254, 259, 272, 432, 486, 490, 503,
            504, 541, 542, 588, 611, 696, 701, 715, 739, 743, 866, 873, 874, 915, 916, 917, 956,
        ],
    ),
    (Kind::MonthYear, &[200, 313, 610, 667, 955]),
    (Kind::Data, &[89, 91, 96, 213, 349, 351, 353, 355, 357, 359, 361, 363, 365, 446, 619, 622]),
];

const fn chars(text: &str) -> Values {
    let bytes = text.as_bytes();
    let mut set = 0;
    let mut at = 0;
    while at < bytes.len() {
        set |= 1 << bytes[at];
        at += 1;
    }
    Values::Chars(set)
}

/// Enumerated fields; the first row stands for all others.
const VALUES: &[(&[u16], Values)] = &[
    (&[], Values::Any),
    (&[13], chars("123456")),
    (&[18], chars("0123456789ABCDEFGHIJKLMNOPQRSUVWXYZabcde")),
    (&[21], chars("123")),
    (&[22, 305, 456, 459, 603, 606, 761], chars("123456789ABCDEFGHIJ")),
    (&[39], chars("012346789ABCDE")),
    (&[40], chars("12346789DEGIJKLMP")),
    (&[54, 624], chars("123456789ABCDEFG")),
    (&[59], chars("01234567")),
    (&[63, 587], chars("0123456789")),
    (&[77], chars("CFOR")),
    (&[81], chars("0123456")),
    (&[98], Values::Range(0, 6)),
    (&[150], chars("03456789ABCDEFGHI")),
    (&[167, 310, 609], Values::Words(SECURITY_TYPES)),
    (&[201, 203, 315], Values::Range(0, 1)),
    (&[235], Values::Words(YIELD_TYPES)),
    (&[263], chars("012")),
    (&[265], Values::Range(0, 1)),
    (&[269], chars("0123456789ABC")),
    (&[279], chars("012")),
    (&[286], chars("012345")),
    (&[338], Values::Range(1, 3)),
    (&[339], Values::Range(1, 3)),
    (&[373], Values::Range(0, 99)),
    (&[380], Values::Range(0, 7)),
    (&[385], chars("RS")),
    (&[388], chars("0123456")),
    (&[423], Values::Range(1, 11)),
    (&[427], Values::Range(0, 2)),
    (&[434], chars("12")),
    (&[447, 525], chars("123456789ABCDEFGHI")),
    (&[452, 538], Values::Range(1, 38)),
    (&[460, 462, 607], Values::Range(1, 13)),
    (&[468], chars("012")),
    (&[480], chars("YNMO")),
    (&[481], chars("YN123")),
    (&[497], chars("YN")),
    (&[528], chars("AGIPRW")),
    (&[529], chars("123456789A")),
    (&[530], chars("1234567")),
    (&[544], chars("123")),
    (&[546], chars("123")),
    (&[559], Values::Range(0, 4)),
    (&[581], Values::Words(&["1", "2", "3", "4", "6", "7", "8"])),
    (&[582], Values::Range(1, 4)),
    (&[585], Values::Range(1, 8)),
    (&[589], chars("012")),
    (&[590], chars("012")),
    (&[591], chars("01")),
    (&[635], Values::Words(&["B", "C", "E", "F", "H", "I", "L", "M", "1", "2", "3", "4", "5", "9"])),
    (&[668], Values::Range(1, 2)),
    (&[660, 661], Values::Words(&["1", "2", "3", "4", "5", "99"])),
    (&[775], Values::Range(0, 2)),
    (&[788], Values::Range(1, 4)),
    (&[803, 805], Values::Range(1, 9999)),
    (&[815], Values::Range(0, 3)),
    (&[835, 841], Values::Range(0, 1)),
    (&[836, 842], Values::Range(0, 3)),
    (&[837, 843], Values::Range(0, 2)),
    (&[838, 844], Values::Range(1, 2)),
    (&[840, 846], Values::Range(1, 4)),
    (&[847], Values::Range(1, 9999)),
    (&[854], Values::Range(0, 1)),
    (&[865], Values::Words(&["1", "2", "3", "4", "99"])),
    (&[871], Values::Range(1, 99)),
    (&[875, 877], Values::Words(&["1", "2", "99"])),
    (&[919], Values::Range(0, 3)),
];

const YIELD_TYPES: &[&str] = &[
    "AFTERTAX",
    "ANNUAL",
    "ATISSUE",
    "AVGMATURITY",
    "BOOK",
    "CALL",
    "CHANGE",
    "CLOSE",
    "COMPOUND",
    "CURRENT",
    "GOVTEQUIV",
    "GROSS",
    "INFLATION",
    "INVERSEFLOATER",
    "LASTCLOSE",
    "LASTMONTH",
    "LASTQUARTER",
    "LASTYEAR",
    "LONGAVGLIFE",
    "MARK",
    "MATURITY",
    "NEXTREFUND",
    "OPENAVG",
    "PREVCLOSE",
    "PROCEEDS",
    "PUT",
    "SEMIANNUAL",
    "SHORTAVGLIFE",
    "SIMPLE",
    "TAXEQUIV",
    "TENDER",
    "TRUE",
    "VALUE1/32",
    "WORST",
];

const SECURITY_TYPES: &[&str] = &[
    "EUSUPRA",
    "FAC",
    "FADN",
    "PEF",
    "SUPRA",
    "CORP",
    "CPP",
    "CB",
    "DUAL",
    "EUCORP",
    "XLINKD",
    "STRUCT",
    "YANK",
    "FOR",
    "CS",
    "PS",
    "BRADY",
    "EUSOV",
    "TBOND",
    "TINT",
    "TIPS",
    "TCAL",
    "TPRN",
    "UST",
    "USTB",
    "TNOTE",
    "TBILL",
    "REPO",
    "FORWARD",
    "BUYSELL",
    "SECLOAN",
    "SECPLEDGE",
    "TERM",
    "RVLV",
    "RVLVTRM",
    "BRIDGE",
    "LOFC",
    "SWING",
    "DINP",
    "DEFLTED",
    "WITHDRN",
    "REPLACD",
    "MATURED",
    "AMENDED",
    "RETIRED",
    "BA",
    "BN",
    "BOX",
    "CD",
    "CL",
    "CP",
    "DN",
    "EUCD",
    "EUCP",
    "LQN",
    "MTN",
    "ONITE",
    "PN",
    "PZFJ",
    "STN",
    "TD",
    "XCN",
    "YCD",
    "ABS",
    "CMBS",
    "CMO",
    "IET",
    "MBS",
    "MIO",
    "MPO",
    "MPP",
    "MPT",
    "PFAND",
    "TBA",
    "AN",
    "COFO",
    "COFP",
    "GO",
    "MT",
    "RAN",
    "REV",
    "SPCLA",
    "SPCLO",
    "SPCLT",
    "TAN",
    "TAXA",
    "TECP",
    "TRAN",
    "VRDN",
    "WAR",
    "MF",
    "MLEG",
    "NONE",
    "FUT",
    "OPT",
];
