//! [`Script`]: calls of every kind that changes a store, the same each time, and what each must come to.
//!
//! What is made and what comes of it, the reference store knows, which runs along.

mod call;
mod commands;
mod state;

use std::collections::BTreeMap;

use bson::rawdoc;
use oplogsync_core::{
    checkpoint::{Checkpoint, Resume, Stop, Token},
    doc_id::DocId,
    document::Document,
    documents::Documents,
    entry::{Entry, Operation},
    filter::FilterId,
    initial_sync::{Note, Piece},
    log::Log,
    memory::MemoryStore,
    namespace::Namespace,
    position::Anchor,
    spool::SpoolLog,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::id,
        random::Random,
        ready::ready,
    },
};

pub(crate) use self::{
    call::{Call, lease},
    state::{State, state},
};

/// Few enough documents that most operations meet one that is there.
const IDS: u64 = 12;

/// Calls, made one after the other to a store in memory.
pub(crate) struct Script {
    model: MemoryStore,
    random: Random,
    /// The log that is applied.
    chain: Chain,
    /// The log that is captured.
    feed: Chain,
    /// How many documents a large piece has.
    large: i32,
}

impl Script {
    /// The calls that a seed names. Now and then one copies `large` documents.
    pub(crate) fn new(seed: u64, large: i32) -> Self {
        let model = MemoryStore::new("model");
        ready(lease(&model));
        let (chain, mut feed) = (Chain::new(log_id(1)), Chain::new(log_id(2)));
        feed.noops(3).new_term().noops(40).take();
        Self { model, random: Random::new(seed), chain, feed, large }
    }

    /// What a store holds that every call so far was made to.
    pub(crate) fn state(&self) -> State {
        ready(state(&self.model))
    }

    /// The next call, and what it is answered; it is made to the model.
    pub(crate) fn next(&mut self) -> (Call, Result<(), Fault>) {
        let (chain, feed) = (self.chain.clone(), self.feed.clone());
        let call = self.choose();
        let answer = ready(call.make(&self.model)).map_err(|error| error.fault().clone());
        if answer.is_err() {
            // What was not taken is not in the logs either.
            (self.chain, self.feed) = (chain, feed);
        }
        (call, answer)
    }

    fn choose(&mut self) -> Call {
        let has_checkpoint = ready(self.model.checkpoint()).unwrap().is_some();
        if !has_checkpoint && self.chain.last().position.index > 0 && self.one_in(2) {
            let checkpoint = Checkpoint { log: self.chain.log(), anchor: self.chain.last() };
            return Call::BeginAt(checkpoint, self.resume(), vec![self.note(), self.note()]);
        }
        match self.random.below(100) {
            0..30 => self.apply_documents(),
            30..50 => {
                let action = self.action();
                Call::Apply(self.chain.command(action).take_batch().with_token(self.token()))
            }
            50..56 => Call::Run(self.action()),
            56..70 => self.copy(),
            70..77 => Call::PutNotes(vec![self.note(), self.note(), self.note()]),
            77..79 => Call::Wipe,
            79..82 => {
                let at = self.chain.last().position;
                Call::SetStop(Stop { at, too_stale: self.one_in(2), reason: "a word".to_owned() })
            }
            82..88 => self.trim(),
            _ => self.capture(),
        }
    }

    /// A batch of one to eight operations on documents.
    fn apply_documents(&mut self) -> Call {
        let mut documents = self.documents();
        for _ in 0..=self.random.below(8) {
            let operation = self.operation(&mut documents);
            self.chain.push(operation);
        }
        Call::Apply(self.chain.take_batch().with_token(self.token()))
    }

    fn operation(&mut self, documents: &mut BTreeMap<(Namespace, DocId), Document>) -> Operation {
        let (ns, number) = (self.namespace(), self.number());
        let key = (ns.clone(), id(number));
        let document = valid(rawdoc! { "_id": number, "n": self.number(), "filler": self.filler() });
        let Some(current) = documents.get(&key).cloned() else {
            documents.insert(key, document.clone());
            return Operation::Insert { ns, document };
        };
        match self.random.below(10) {
            0..2 => {
                documents.insert(key, document.clone());
                Operation::Update { ns, document }
            }
            2..7 => {
                let diff = rawdoc! { "u": { "n": self.number() }, "i": { "more": self.filler() } };
                let diff = oplogsync_core::diff::Diff::new(diff).unwrap();
                documents.insert(key, diff.apply(&current).unwrap());
                Operation::Patch { ns, id: id(number), diff }
            }
            _ => {
                documents.remove(&key);
                Operation::Delete { ns, id: id(number) }
            }
        }
    }

    fn copy(&mut self) -> Call {
        let (ns, from) = (self.namespace(), self.number());
        let (count, large) = (self.number(), self.one_in(6));
        let numbers = if large { from..from + self.large } else { from..from + count };
        let (after, until) = (Some(id(from - 1)), (!large).then(|| id(from + count)));
        let documents = numbers.filter(|_| large || !self.one_in(3)).collect::<Vec<_>>();
        let documents = documents.into_iter().map(|number| valid(rawdoc! { "_id": number, "n": self.number() }));
        let piece = Piece { ns, after, until, documents: documents.collect(), is_fresh: false };
        Call::Copy(piece, self.note())
    }

    fn capture(&mut self) -> Call {
        if ready(self.model.captured()).unwrap().is_none() {
            let checkpoint = Checkpoint { log: self.feed.log(), anchor: self.feed.last() };
            return Call::BeginCapture(checkpoint, self.resume());
        }
        if self.one_in(4) {
            let action = self.action();
            return Call::Capture(self.feed.command(action).take_batch().with_token(self.token()));
        }
        // Whatever the entries are: a copy of a log knows no documents.
        let operations: Vec<_> = (0..self.random.below(4)).map(|_| self.operation(&mut BTreeMap::new())).collect();
        self.feed.transaction(operations).noops(1);
        Call::Capture(self.feed.take_batch().with_token(self.token()))
    }

    fn trim(&mut self) -> Call {
        let Some(ends) = ready(self.model.log_ends()).unwrap() else { return self.capture() };
        let entries = ready(self.model.read(0, crate::suite::history::ALL)).unwrap();
        let at = usize::try_from(self.random.below(entries.len() as u64 + 1)).unwrap();
        let anchors: Vec<Anchor> = std::iter::once(ends.floor).chain(entries.iter().map(Entry::anchor)).collect();
        Call::Trim(anchors[at])
    }

    fn documents(&self) -> BTreeMap<(Namespace, DocId), Document> {
        self.state().documents
    }

    fn namespace(&mut self) -> Namespace {
        const NAMES: [&str; 5] = ["shop.items", "shop.goods", "shop.orders", "shop.ones", "warehouse.items"];
        Namespace::new(NAMES[usize::try_from(self.random.below(NAMES.len() as u64)).unwrap()]).unwrap()
    }

    fn number(&mut self) -> i32 {
        i32::try_from(self.random.below(IDS)).unwrap()
    }

    /// Now and then some pages, and what the engine keeps in a file of its own.
    fn filler(&mut self) -> String {
        let bytes = match self.random.below(300) {
            0 => 600_000,
            1..10 => self.random.below(9000),
            _ => self.random.below(100),
        };
        "x".repeat(usize::try_from(bytes).unwrap())
    }

    fn note(&mut self) -> Note {
        let name = format!("range:shop.items:{:04}", self.random.below(4));
        let document = (!self.one_in(4)).then(|| rawdoc! { "v": 1, "done": self.number() });
        Note { name, document }
    }

    fn token(&mut self) -> Option<Token> {
        self.one_in(2).then(|| Token::new(self.random.draw().to_be_bytes()))
    }

    fn resume(&mut self) -> Resume {
        let filter = if self.one_in(2) { FilterId::default() } else { FilterId::from_bytes([3; 16]) };
        Resume { filter, token: self.token() }
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.random.below(bound) == 0
    }
}
