//! The OFLOW1 file: a 64-byte header and 32-byte records, little-endian.
//!
//! ```text
//! header   0 magic "OFLOW1\0\0" | 8 version u32 = 1 | 12 record size u32 = 32 | 16 records u64 | 24 of them warm u64
//!         32 symbols u32 | 36 accounts u32 | 40 seed u64 | 48 highest id u64 | 56 highest price u64
//! record   0 'N' new, 'C' cancel, 'M' modify | 1 side: 0 buy, 1 sell | 2 symbol u16 | 4 account u32 | 8 id u64
//!         16 price u64 | 24 quantity u64
//! ```
//!
//! A flow that was read is whole: order numbers are from 1 to the highest, each is new once, and every later record of
//! an order names its symbol and side.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use rialto_engine::book::QUANTITY_MAX;
use rialto_protocol::Side;

use super::{Ask, Flow, FlowHeader, FlowOp};

const MAGIC: [u8; 8] = *b"OFLOW1\0\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const RECORD_BYTES: usize = 32;
/// Bytes of a file at most: 64 M records.
const BYTES_MAX: u64 = 2 << 30;
const RECORD_SIZE: u32 = 32;

const _: () = assert!(RECORD_SIZE as usize == RECORD_BYTES);

/// Why a flow file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FlowFileError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is some other file.
    #[error("{path}: not an OFLOW1 file of version 1: {what}")]
    NotAFlow {
        /// Which file.
        path: PathBuf,
        /// What the header lacks.
        what: &'static str,
    },
    /// A record that no engine could be compared on.
    #[error("{path}: record {record}: {what}")]
    BadRecord {
        /// Which file.
        path: PathBuf,
        /// From 0.
        record: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Reads a flow file.
pub fn read(path: &Path) -> Result<Flow, FlowFileError> {
    let io = |source| FlowFileError::Io { path: path.into(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(io)?;
    let not_a_flow = |what| FlowFileError::NotAFlow { path: path.into(), what };
    if bytes.len() as u64 > BYTES_MAX {
        return Err(not_a_flow("larger than 2 GiB"));
    }
    let (header, records) =
        bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| not_a_flow("shorter than a header"))?;
    let count = records.len() / RECORD_BYTES;
    let header = decode_header(header, count).map_err(not_a_flow)?;
    if records.len() != count * RECORD_BYTES {
        return Err(not_a_flow("its length is not that of its records"));
    }
    let mut known = vec![None; usize::try_from(header.id_max).map_or(0, |id| id + 1)];
    let mut ops = Vec::with_capacity(count);
    for (record, bytes) in records.chunks_exact(RECORD_BYTES).enumerate() {
        let op = decode_op(bytes, header.symbols).and_then(|op| follows(&mut known, op));
        ops.push(op.map_err(|what| FlowFileError::BadRecord { path: path.into(), record, what })?);
    }
    Ok(Flow { header, ops })
}

/// Writes a flow file.
pub fn write(flow: &Flow, path: &Path) -> Result<(), FlowFileError> {
    let io = |source| FlowFileError::Io { path: path.into(), source };
    let mut file = BufWriter::new(File::create(path).map_err(io)?);
    file.write_all(&encode_header(flow)).map_err(io)?;
    for op in &flow.ops {
        file.write_all(&encode_op(op)).map_err(io)?;
    }
    file.flush().map_err(io)
}

fn encode_header(flow: &Flow) -> [u8; HEADER_BYTES] {
    let FlowHeader { warm, symbols, accounts, seed, id_max, price_max } = flow.header;
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    put(&mut bytes, 8, VERSION.to_le_bytes());
    put(&mut bytes, 12, RECORD_SIZE.to_le_bytes());
    put(&mut bytes, 16, (flow.ops.len() as u64).to_le_bytes());
    put(&mut bytes, 24, (warm as u64).to_le_bytes());
    put(&mut bytes, 32, symbols.to_le_bytes());
    put(&mut bytes, 36, accounts.to_le_bytes());
    put(&mut bytes, 40, seed.to_le_bytes());
    put(&mut bytes, 48, id_max.to_le_bytes());
    put(&mut bytes, 56, price_max.to_le_bytes());
    bytes
}

fn decode_header(bytes: &[u8], records: usize) -> Result<FlowHeader, &'static str> {
    if bytes[..8] != MAGIC || u32_at(bytes, 8) != VERSION || u32_at(bytes, 12) != RECORD_SIZE {
        return Err("magic, version or record size");
    }
    if u64_at(bytes, 16) != records as u64 {
        return Err("its length is not that of its records");
    }
    let warm = usize::try_from(u64_at(bytes, 24)).ok().filter(|&warm| warm <= records);
    let id_max = Some(u64_at(bytes, 48)).filter(|&id| id <= records as u64);
    Ok(FlowHeader {
        warm: warm.ok_or("more warm records than records")?,
        symbols: Some(u32_at(bytes, 32))
            .filter(|&symbols| symbols <= 1 << 16)
            .ok_or("more than 65,536 symbols")?,
        accounts: u32_at(bytes, 36),
        seed: u64_at(bytes, 40),
        id_max: id_max.ok_or("more order numbers than records")?,
        price_max: i64::try_from(u64_at(bytes, 56)).map_err(|_| "highest price over 2^63 - 1")?,
    })
}

fn encode_op(op: &FlowOp) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[0] = match op.ask {
        Ask::New => b'N',
        Ask::Cancel => b'C',
        Ask::Modify => b'M',
    };
    bytes[1] = match op.side {
        Side::Buy => 0,
        Side::Sell => 1,
    };
    put(&mut bytes, 2, op.symbol.to_le_bytes());
    put(&mut bytes, 4, op.account.to_le_bytes());
    put(&mut bytes, 8, op.id.to_le_bytes());
    put(&mut bytes, 16, op.price.to_le_bytes());
    put(&mut bytes, 24, op.quantity.to_le_bytes());
    bytes
}

fn decode_op(bytes: &[u8], symbols: u32) -> Result<FlowOp, &'static str> {
    let ask = match bytes[0] {
        b'N' => Ask::New,
        b'C' => Ask::Cancel,
        b'M' => Ask::Modify,
        _ => return Err("neither N, C nor M"),
    };
    let side = match bytes[1] {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => return Err("neither buy nor sell"),
    };
    let symbol = u16::from_le_bytes(word(bytes, 2));
    let price = i64::try_from(u64_at(bytes, 16)).map_err(|_| "price over 2^63 - 1")?;
    let quantity = i64::try_from(u64_at(bytes, 24)).ok().filter(|&quantity| quantity <= QUANTITY_MAX.0);
    let quantity = quantity.ok_or("quantity too large")?;
    if u32::from(symbol) >= symbols {
        return Err("no such symbol");
    }
    if ask != Ask::Cancel && (price == 0 || quantity == 0) {
        return Err("no price or no quantity");
    }
    Ok(FlowOp { ask, side, symbol, account: u32_at(bytes, 4), id: u64_at(bytes, 8), price, quantity })
}

/// Checks a record against what earlier ones said of its order.
fn follows(known: &mut [Option<(u16, Side)>], op: FlowOp) -> Result<FlowOp, &'static str> {
    let order = usize::try_from(op.id).ok().filter(|&id| id > 0).and_then(|id| known.get_mut(id));
    let order = order.ok_or("order number out of range")?;
    match (op.ask, *order) {
        (Ask::New, None) => *order = Some((op.symbol, op.side)),
        (Ask::New, Some(_)) => return Err("order number used twice"),
        (Ask::Cancel | Ask::Modify, None) => return Err("order number not used yet"),
        (Ask::Cancel | Ask::Modify, Some(said)) if said == (op.symbol, op.side) => {}
        (Ask::Cancel | Ask::Modify, Some(_)) => return Err("not the order's symbol or side"),
    }
    Ok(op)
}

fn put<const BYTES: usize>(into: &mut [u8], at: usize, bytes: [u8; BYTES]) {
    into[at..at + BYTES].copy_from_slice(&bytes);
}

fn word<const BYTES: usize>(bytes: &[u8], at: usize) -> [u8; BYTES] {
    bytes[at..at + BYTES].try_into().expect("a slice of that length")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(word(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(word(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::super::{FlowSpec, generate};
    use super::*;

    fn small() -> Flow {
        generate(&FlowSpec { ops: 500, warm_mix: 50, depth: 40, symbols: 2, ..FlowSpec::S1 })
    }

    #[test]
    fn flow_that_was_written_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.flow");
        let flow = small();
        write(&flow, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 64 + 32 * flow.ops.len() as u64);
        assert_eq!(read(&path).unwrap(), flow);
    }

    #[test]
    fn damaged_flow_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.flow");
        let flow = small();
        write(&flow, &path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let refusal = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().to_string()
        };
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert!(refusal(&good[..63]).contains("shorter than a header"));
        assert!(refusal(&good[..good.len() - 1]).contains("its length"));
        assert!(refusal(&with(0, b'X')).contains("magic"));
        assert!(refusal(&with(30, 1)).contains("more warm records"));
        assert!(refusal(&with(64, b'X')).contains("record 0: neither N, C nor M"));
        assert!(refusal(&with(64, b'C')).contains("record 0: order number not used yet"));
        assert!(refusal(&with(65, 9)).contains("record 0: neither buy nor sell"));
        assert!(refusal(&with(66, 9)).contains("record 0: no such symbol"));
        assert!(refusal(&with(64 + 15, 9)).contains("record 0: order number out of range"));
        assert!(refusal(&with(64 + 32 + 8, 1)).contains("record 1: order number used twice"));
        assert!(refusal(&with(64 + 31, 1)).contains("record 0: quantity too large"));
        let absent = read(&folder.path().join("absent.flow")).unwrap_err();
        assert!(matches!(absent, FlowFileError::Io { .. }));
    }
}
