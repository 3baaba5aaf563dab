//! A disk that runs full: new orders are refused while there is still room for cancels, and taken again once there is
//! room; a node that has used up the last of it ends in words, with nothing acknowledged lost.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{Client, Message, Wire};
use crate::loopback::LoopDisk;
use crate::node::{Home, Node, until};
use crate::{CONFIG, Rounds};

/// Six segments of 1 MiB, and a few more.
const DISK_BYTES: u64 = 24 << 20;
/// More orders than fit what is left of the disk.
const ORDERS_MAX: u32 = 20_000;
const ONLY_CANCELS: &str = "only cancels are taken now: the exchange is short of room";
/// "Stopped itself".
const STOPPED: i32 = 5;

pub(crate) fn full_disk_takes_cancels_only_until_there_is_room(_: &Rounds) {
    let disk = LoopDisk::new("ext4", Some(DISK_BYTES));
    let home = Home::make(CONFIG, Some(disk.place()));
    let mut node = home.start(&[]);
    let mut member = Member::log_on(&node);
    assert_eq!(member.order().field(150), "0");
    let ballast = Ballast::fill(disk.place());
    let refused = member.order_until(|answer| answer.field(150) == "8");
    assert_eq!(refused.field(58), ONLY_CANCELS);
    assert_eq!(node.status(&[])["no_space"], true);
    member.replace_is_refused();
    assert_eq!(member.cancel().field(150), "4", "cancels go on");

    node.kill();
    node = home.start(&[]);
    let mut member = member.back(&node);
    assert_eq!(member.order().field(58), ONLY_CANCELS, "also behind a restart on a full disk");
    assert_eq!(member.cancel().field(150), "4");

    ballast.remove();
    until("room", || (node.status(&[])["no_space"] == false).then_some(()));
    // The exchange is told a moment after the disk was seen to have room.
    member.order_until(|answer| answer.field(150) == "0");

    let ballast = Ballast::fill(disk.place());
    let open = member.until_the_end();
    let (status, _, log) = node.ended();
    assert_eq!(status.code(), Some(STOPPED), "{log}");
    assert!(log.contains("the journal failed") && log.contains("space"), "in words: {log}");
    ballast.remove();
    let node = home.start(&[]);
    let list = node.asked(&["show", "orders"]);
    let there = list["orders"].as_array().unwrap().iter().map(|row| row["cl_ord_id"].as_str().unwrap());
    let there: Vec<&str> = there.collect();
    assert!(open.iter().all(|id| there.contains(&id.as_str())), "an order that was acknowledged is gone");
    assert_eq!(node.terminate().0.code(), Some(0));
}

/// A file that takes all the room there is.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(place: &Path) -> Self {
        let path = place.join("ballast");
        let mut file = File::create(&path).unwrap();
        for bytes in [1 << 20, 64 << 10, 4 << 10] {
            let zeros = vec![0; bytes];
            while file.write_all(&zeros).and_then(|()| file.sync_data()).is_ok() {}
        }
        Self(path)
    }

    fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// A member by line, order by order.
struct Member {
    client: Client,
    orders: u32,
    open: Vec<String>,
}

impl Member {
    fn log_on(node: &Node) -> Self {
        Self { client: connect(node), orders: 0, open: Vec::new() }
    }

    fn back(self, node: &Node) -> Self {
        Self { client: connect(node), ..self }
    }

    fn ask(&mut self, line: &str) -> Message {
        self.client.send(line, 0, false).unwrap();
        self.client.expect()
    }

    fn order(&mut self) -> Message {
        self.orders += 1;
        let id = format!("o{}", self.orders);
        let answer = self.ask(&format!("35=D|11={id}|55=ACME|54=1|38=1|40=2|44=1.00"));
        if answer.field(150) == "0" {
            self.open.push(id);
        }
        answer
    }

    fn order_until(&mut self, done: impl Fn(&Message) -> bool) -> Message {
        for _ in 0..ORDERS_MAX {
            let answer = self.order();
            if done(&answer) {
                return answer;
            }
        }
        panic!("{ORDERS_MAX} orders, and still room");
    }

    fn replace_is_refused(&mut self) {
        let orig = self.open.last().unwrap().clone();
        let answer = self.ask(&format!("35=G|11=r{}|41={orig}|55=ACME|54=1|38=2|40=2|44=1.00", self.orders));
        assert_eq!((answer.kind(), answer.field(58)), ("9", ONLY_CANCELS));
    }

    fn cancel(&mut self) -> Message {
        let orig = self.open.pop().unwrap();
        self.ask(&format!("35=F|11=c{orig}|41={orig}|55=ACME|54=1"))
    }

    /// Asks for more until the node is no more; what was open then, so far as is known.
    fn until_the_end(mut self) -> Vec<String> {
        for number in 0..ORDERS_MAX {
            let line = format!("35=D|11=e{number}|55=ACME|54=1|38=1|40=2|44=1.00");
            if self.client.send(&line, 0, false).is_err() {
                return self.open;
            }
            match self.client.receive(Duration::from_mins(1)) {
                Ok(Some(answer)) if answer.kind() == "8" && answer.field(150) == "0" => {
                    self.open.push(format!("e{number}"));
                }
                Ok(Some(_)) => {}
                Ok(None) => panic!("no answer and no end"),
                Err(_) => return self.open,
            }
        }
        panic!("{ORDERS_MAX} orders, and still room");
    }
}

fn connect(node: &Node) -> Client {
    let mut client = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
    client.send("35=A|553=ALPHA1|554=secret", 0, false).unwrap();
    assert_eq!(client.expect().kind(), "A");
    client
}
