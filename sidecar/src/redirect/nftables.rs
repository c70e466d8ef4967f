//! The nftables rules of a redirection, as one transaction of netlink messages (Linux, `linux/netfilter/nf_tables.h`).

use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

use crate::redirect::redirected_port::RedirectedPort;

/// The table, which is ours alone, so that it can be replaced as a whole. A null byte ends each name.
const TABLE: &[u8] = b"sitio\0";
const CHAIN: &[u8] = b"inbound\0";

/// The kernel answers at once; a wait ends all the same.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a datagram of replies. A reply repeats the message that it is about, and each of ours is below 1 KiB.
const REPLY_BYTES_MAX: usize = 32 << 10;

/// Bytes of a message's header (`struct nlmsghdr`).
const HEADER_BYTES: usize = 16;

// Types and flags of messages: linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h.
const NLMSG_ERROR: u16 = 2;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = NFTABLES << 8;
const DELETE_TABLE: u16 = NFTABLES << 8 | 2;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFTABLES << 8 | 6;
const NFTABLES: u16 = 10;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// IPv4 and IPv6 (`NFPROTO_INET`).
const INET: u8 = 1;

/// The hook of packets that have just arrived, and the usual priority of destination NAT (`NF_IP_PRI_NAT_DST`).
const PREROUTING: u32 = 0;
const DESTINATION_NAT: i32 = -100;

/// The register through which the expressions of a rule pass their values.
const REGISTER: u32 = 1;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const KEY_INTERFACE: u32 = 4;
const KEY_PROTOCOL: u32 = 16;
const TRANSPORT_HEADER: u32 = 2;

/// The loopback interface is the first of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
const TCP: u8 = 6;

/// Where a TCP header has the destination port, and its length, in bytes.
const PORT_OFFSET: u32 = 2;
const PORT_BYTES: u32 = 2;

/// Why the kernel has not changed its rules.
#[derive(Debug, thiserror::Error)]
pub enum NftablesError {
    /// Without the capability.
    #[error("the kernel refuses it: the container needs the capability NET_ADMIN, and user 0, under which a capability counts")]
    Forbidden,
    /// The kernel lacks a module.
    #[error("the kernel cannot redirect ({0}): it needs nftables, with the modules nf_tables, nft_chain_nat and nft_redir")]
    Unsupported(Errno),
    /// The conversation with the kernel failed.
    #[error("{what}: {why}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// What happened.
        why: String,
    },
}

/// Replaces all rules by those for these ports; without ports, the table goes. All or nothing.
pub(super) fn replace(ports: &[RedirectedPort]) -> Result<(), NftablesError> {
    let batch = Batch::replacing(ports);
    let socket = connect().map_err(|errno| failed("open a netlink socket", errno))?;
    let sent = send(&socket, &batch.bytes, SendFlags::empty()).map_err(|errno| failed("send the rules to the kernel", errno))?;
    if sent != batch.bytes.len() {
        return Err(NftablesError::Netlink { what: "send the rules to the kernel", why: "they were cut short".to_owned() });
    }
    let mut buffer = vec![0; REPLY_BYTES_MAX];
    let mut open = batch.acknowledged;
    while open > 0 {
        let (received, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())
            .map_err(|errno| failed("wait for the kernel's answer to the rules", errno))?;
        let codes = codes(&buffer[..received]);
        if let Some(code) = codes.iter().copied().find(|code| *code != 0) {
            return Err(refused(Errno::from_raw_os_error(-code)));
        }
        open = open.saturating_sub(codes.len());
    }
    Ok(())
}

fn connect() -> rustix::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(REPLY_TIMEOUT))?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

fn failed(what: &'static str, errno: Errno) -> NftablesError {
    match errno {
        Errno::PERM | Errno::ACCESS => NftablesError::Forbidden,
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => NftablesError::Unsupported(errno),
        _ => NftablesError::Netlink { what, why: errno.to_string() },
    }
}

fn refused(errno: Errno) -> NftablesError {
    match errno {
        // A missing module looks like a missing object.
        Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL => NftablesError::Unsupported(errno),
        _ => failed("set the rules in the kernel", errno),
    }
}

/// The codes in the kernel's acknowledgements and refusals: 0, or a negative error number.
fn codes(mut replies: &[u8]) -> Vec<i32> {
    let mut codes = Vec::new();
    while let Some((header, _)) = replies.split_at_checked(HEADER_BYTES) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(payload) = replies.get(HEADER_BYTES..length) else { break };
        if let (NLMSG_ERROR, Some(code)) = (kind, payload.first_chunk()) {
            codes.push(i32::from_ne_bytes(*code));
        }
        let Some(rest) = replies.get(length.next_multiple_of(4)..) else { break };
        replies = rest;
    }
    codes
}

/// Messages that the kernel obeys all together or not at all.
struct Batch {
    bytes: Vec<u8>,
    /// How many of them the kernel acknowledges.
    acknowledged: usize,
}

impl Batch {
    fn replacing(ports: &[RedirectedPort]) -> Self {
        let mut batch = Self { bytes: Vec::new(), acknowledged: 0 };
        batch.message(BATCH_BEGIN, REQUEST, 0, &[]);
        let table = attribute(1, TABLE);
        // To delete a table that is not there would be an error, so it is created first.
        batch.change(NEW_TABLE, CREATE, &table);
        batch.change(DELETE_TABLE, 0, &table);
        if !ports.is_empty() {
            batch.change(NEW_TABLE, CREATE, &table);
            let hook = [attribute(1, &PREROUTING.to_be_bytes()), attribute(2, &DESTINATION_NAT.to_be_bytes())];
            let chain = [table, attribute(3, CHAIN), nested(4, &hook), attribute(7, b"nat\0")];
            batch.change(NEW_CHAIN, CREATE, &chain.concat());
        }
        for ports in ports {
            let rule = [attribute(1, TABLE), attribute(2, CHAIN), nested(4, &expressions(*ports))];
            batch.change(NEW_RULE, CREATE | APPEND, &rule.concat());
        }
        batch.message(BATCH_END, REQUEST, 0, &[]);
        batch
    }

    fn change(&mut self, kind: u16, flags: u16, attributes: &[u8]) {
        self.acknowledged += 1;
        self.message(kind, REQUEST | ACK | flags, INET, attributes);
    }

    /// Appends a header, the family with the resource (`struct nfgenmsg`), and attributes.
    fn message(&mut self, kind: u16, flags: u16, family: u8, attributes: &[u8]) {
        let resource = if family == INET { 0 } else { NFTABLES };
        let length = (HEADER_BYTES + 4 + attributes.len()) as u32;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        // Neither a sequence number, because all belong together, nor a sender, which the kernel fills in.
        self.bytes.extend([0; 8]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(attributes);
    }
}

/// `iif != lo meta l4proto tcp tcp dport FROM redirect to :TO`.
fn expressions(ports: RedirectedPort) -> Vec<Vec<u8>> {
    let register = |kind| attribute(kind, &REGISTER.to_be_bytes());
    let number = |kind, value: u32| attribute(kind, &value.to_be_bytes());
    let meta = |key| expression(b"meta\0", &[register(1), number(2, key)]);
    let data = |kind, value: &[u8]| nested(kind, &[attribute(1, value)]);
    let compare = |operation, value: &[u8]| expression(b"cmp\0", &[register(1), number(2, operation), data(3, value)]);
    let port = [register(1), number(2, TRANSPORT_HEADER), number(3, PORT_OFFSET), number(4, PORT_BYTES)];
    vec![
        meta(KEY_INTERFACE),
        compare(NOT_EQUAL, &LOOPBACK.to_ne_bytes()),
        meta(KEY_PROTOCOL),
        compare(EQUAL, &[TCP]),
        expression(b"payload\0", &port),
        compare(EQUAL, &ports.from.get().to_be_bytes()),
        expression(b"immediate\0", &[register(1), data(2, &ports.to.get().to_be_bytes())]),
        expression(b"redir\0", &[register(1), register(2)]),
    ]
}

/// An element of a list of expressions: its name, and what it needs.
fn expression(name: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[attribute(1, name), nested(2, parts)])
}

/// An attribute that holds attributes (`NLA_F_NESTED`).
fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &parts.concat())
}

/// An attribute (`struct nlattr`), filled up to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend((length as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(length: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], payload].concat()
    }

    #[test]
    fn acknowledgements_are_counted_and_refusals_are_found() {
        let (good, bad) = (reply(20, NLMSG_ERROR, &0_i32.to_ne_bytes()), reply(20, NLMSG_ERROR, &(-1_i32).to_ne_bytes()));
        assert_eq!(codes(&[good.clone(), bad, good].concat()), [0, -1, 0]);
    }

    #[test]
    fn replies_that_make_no_sense_end_the_reading() {
        for (length, payload) in [(0, 4), (15, 4), (400, 4), (u32::MAX, 4), (18, 2), (16, 0)] {
            assert_eq!(codes(&reply(length, NLMSG_ERROR, &vec![0; payload])), [0; 0], "{length}");
        }
        assert_eq!(codes(&reply(20, 77, &[0; 4])), [0; 0], "another kind of message");
    }

    #[test]
    fn a_batch_is_whole_messages() {
        let ports = ["8000:8080".parse().unwrap(), "28085:8000".parse().unwrap()];
        let batch = Batch::replacing(&ports);
        let (mut rest, mut messages) = (&batch.bytes[..], 0);
        while let Some(length) = rest.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
            rest = &rest[length..];
            messages += 1;
        }
        assert_eq!((messages, batch.acknowledged, rest.len()), (8, 6, 0));
        assert_eq!(Batch::replacing(&[]).acknowledged, 2);
    }
}
