//! Which calls may become direct: a pure decision without ELF or instructions.
//!
//! A *row* is one way to fill all slots; one row holds for the whole process. A *unit* is a piece of code
//! that may run under some rows only: a body of a cloned function, or a clone that has no record because
//! every use of it was bound at compile time. All other code runs under every row.
//!
//! A call to a cloned function may go straight to a body if under every row that may execute the caller
//! that body is what the slot would hold. A unit is executed under
//! * each row whose table names it,
//! * each row that executes a unit that refers to it directly, and
//! * every row, if other code or data refers to it (a linker's folding may join a clone with ordinary
//!   code), if nothing is known to refer to it at all, or if it is a body of a tunable function.

/// A set of rows; at most 64 ([`image_format::layout::MAX_ROWS`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RowSet(u64);

impl RowSet {
    pub const EMPTY: RowSet = RowSet(0);

    pub fn all(rows: usize) -> RowSet {
        RowSet(if rows >= 64 { !0 } else { (1 << rows) - 1 })
    }

    pub fn with(self, row: usize) -> RowSet {
        RowSet(self.0 | 1 << row)
    }

    pub fn union(self, other: RowSet) -> RowSet {
        RowSet(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, row: usize) -> bool {
        self.0 >> row & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |row| self.contains(*row))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// Where code or a reference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Unit(UnitId),
    /// Code that is not cloned, or data.
    Everywhere,
}

/// What the decision is made from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub rows: usize,
    pub units: usize,
    /// Per function the body that each row gives it.
    pub bodies: Vec<Vec<UnitId>>,
    /// Per function whether its calls stay on the slot, and which of its bodies runs is decided at run time.
    pub tunable: Vec<bool>,
    /// Per function whether its slot may lead to another image's body.
    pub lent: Vec<bool>,
    /// Direct references: who refers to which unit, other than through records and slots.
    pub references: Vec<(Origin, UnitId)>,
}

/// Why a call stays on its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotReason {
    /// The caller may run under rows that give the callee different bodies.
    RowsDisagree,
    /// The caller is not cloned, and the callee has more than one body.
    CallerNotCloned,
    Tunable,
    /// A dependency's body may run in place of the image's own.
    Lent,
    /// The body is too far away for a direct branch.
    OutOfReach,
}

impl SlotReason {
    pub const ALL: [SlotReason; 5] = [
        SlotReason::RowsDisagree,
        SlotReason::CallerNotCloned,
        SlotReason::Tunable,
        SlotReason::Lent,
        SlotReason::OutOfReach,
    ];

    /// The word in the report.
    pub fn word(self) -> &'static str {
        match self {
            SlotReason::RowsDisagree => "rows-disagree",
            SlotReason::CallerNotCloned => "caller-not-cloned",
            SlotReason::Tunable => "tunable",
            SlotReason::Lent => "lent",
            SlotReason::OutOfReach => "out-of-reach",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Direct(UnitId),
    Slot(SlotReason),
}

/// Facts with the rows of every unit worked out.
pub struct Plan<'a> {
    facts: &'a Facts,
    rows: Vec<RowSet>,
}

impl<'a> Plan<'a> {
    pub fn new(facts: &'a Facts) -> Plan<'a> {
        let all = RowSet::all(facts.rows);
        let mut rows = vec![RowSet::EMPTY; facts.units];
        for (bodies, tunable) in facts.bodies.iter().zip(&facts.tunable) {
            for (row, body) in bodies.iter().enumerate() {
                let set = &mut rows[body.0 as usize];
                *set = if *tunable { all } else { set.with(row) };
            }
        }
        let mut edges = vec![Vec::new(); facts.units];
        for (origin, unit) in &facts.references {
            match origin {
                Origin::Everywhere => rows[unit.0 as usize] = all,
                Origin::Unit(from) => edges[from.0 as usize].push(*unit),
            }
        }
        edges.iter_mut().for_each(|targets| {
            targets.sort();
            targets.dedup();
        });
        spread(&mut rows, &edges);
        // Reached by a way that is not known.
        rows.iter_mut().filter(|set| set.is_empty()).for_each(|set| *set = all);
        spread(&mut rows, &edges);
        Plan { facts, rows }
    }

    /// The rows that may execute code at `origin`.
    pub fn rows(&self, origin: Origin) -> RowSet {
        match origin {
            Origin::Everywhere => RowSet::all(self.facts.rows),
            Origin::Unit(unit) => self.rows[unit.0 as usize],
        }
    }

    /// The rows that use a unit's code, for counting: as the table says, if it names the unit at all.
    pub fn users(&self) -> Vec<RowSet> {
        let mut users = vec![RowSet::EMPTY; self.facts.units];
        for bodies in &self.facts.bodies {
            for (row, body) in bodies.iter().enumerate() {
                users[body.0 as usize] = users[body.0 as usize].with(row);
            }
        }
        let named_or = |(users, rows): (RowSet, RowSet)| if users.is_empty() { rows } else { users };
        users.into_iter().zip(self.rows.iter().copied()).map(named_or).collect()
    }

    /// What becomes of a call of `callee` that stands at `origin`.
    ///
    /// A direct call adds no rows to the body that it reaches: they name it in the table.
    pub fn decide(&self, origin: Origin, callee: FunctionId) -> Decision {
        let bodies = &self.facts.bodies[callee.0 as usize];
        if self.facts.tunable[callee.0 as usize] {
            return Decision::Slot(SlotReason::Tunable);
        }
        if self.facts.lent[callee.0 as usize] {
            return Decision::Slot(SlotReason::Lent);
        }
        let mut wanted = self.rows(origin).iter().map(|row| bodies[row]);
        match wanted.next() {
            Some(body) if wanted.all(|other| other == body) => Decision::Direct(body),
            _ if origin == Origin::Everywhere => Decision::Slot(SlotReason::CallerNotCloned),
            _ => Decision::Slot(SlotReason::RowsDisagree),
        }
    }
}

/// Gives each unit the rows of those that refer to it, until nothing changes.
fn spread(rows: &mut [RowSet], edges: &[Vec<UnitId>]) {
    let mut work: Vec<usize> = (0..rows.len()).collect();
    while let Some(from) = work.pop() {
        for to in &edges[from] {
            let to = to.0 as usize;
            let wider = rows[to].union(rows[from]);
            if wider != rows[to] {
                rows[to] = wider;
                work.push(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(n: u32) -> UnitId {
        UnitId(n)
    }

    /// Two rows; f has bodies 0 and 1, g has 2 and 3, h has 4 at both rows.
    fn facts() -> Facts {
        Facts {
            rows: 2,
            units: 6,
            bodies: vec![vec![unit(0), unit(1)], vec![unit(2), unit(3)], vec![unit(4), unit(4)]],
            tunable: vec![false; 3],
            lent: vec![false; 3],
            references: vec![],
        }
    }

    #[test]
    fn clones_call_clones() {
        let facts = facts();
        let plan = Plan::new(&facts);
        let g = FunctionId(1);
        assert_eq!(plan.decide(Origin::Unit(unit(0)), g), Decision::Direct(unit(2)));
        assert_eq!(plan.decide(Origin::Unit(unit(1)), g), Decision::Direct(unit(3)));
        assert_eq!(plan.decide(Origin::Unit(unit(4)), g), Decision::Slot(SlotReason::RowsDisagree));
        assert_eq!(plan.decide(Origin::Everywhere, g), Decision::Slot(SlotReason::CallerNotCloned));
        assert_eq!(plan.decide(Origin::Everywhere, FunctionId(2)), Decision::Direct(unit(4)));
        assert_eq!(
            plan.decide(Origin::Unit(unit(5)), g),
            Decision::Slot(SlotReason::RowsDisagree),
            "unknown"
        );
    }

    #[test]
    fn references_widen() {
        let mut facts = facts();
        facts.references = vec![(Origin::Unit(unit(1)), unit(5)), (Origin::Everywhere, unit(0))];
        let plan = Plan::new(&facts);
        let g = FunctionId(1);
        assert_eq!(plan.decide(Origin::Unit(unit(5)), g), Decision::Direct(unit(3)), "bound by a clone");
        assert_eq!(plan.decide(Origin::Unit(unit(0)), g), Decision::Slot(SlotReason::RowsDisagree), "folded");
    }

    #[test]
    fn tunable_calls_stay() {
        let mut facts = facts();
        facts.tunable[1] = true;
        let plan = Plan::new(&facts);
        assert_eq!(plan.decide(Origin::Unit(unit(0)), FunctionId(1)), Decision::Slot(SlotReason::Tunable));
        assert_eq!(
            plan.decide(Origin::Unit(unit(2)), FunctionId(0)),
            Decision::Slot(SlotReason::RowsDisagree),
            "a tuned body may run under any row"
        );
    }

    #[test]
    fn calls_of_lent_functions_stay_and_their_bodies_are_as_bound_as_ever() {
        let mut facts = facts();
        facts.lent[1] = true;
        let plan = Plan::new(&facts);
        assert_eq!(plan.decide(Origin::Unit(unit(0)), FunctionId(1)), Decision::Slot(SlotReason::Lent));
        assert_eq!(plan.decide(Origin::Unit(unit(2)), FunctionId(0)), Decision::Direct(unit(0)));
    }

    fn any_facts() -> impl Strategy<Value = (Facts, Vec<(Origin, FunctionId)>)> {
        (1usize..5, 1usize..9, 1usize..5).prop_flat_map(|(rows, units, functions)| {
            let unit = move || (0..units as u32).prop_map(UnitId);
            let origin = move || prop_oneof![Just(Origin::Everywhere), unit().prop_map(Origin::Unit)];
            let origin = move || prop_oneof![1 => origin(), 4 => unit().prop_map(Origin::Unit)];
            let bodies = prop::collection::vec(prop::collection::vec(unit(), rows), functions);
            let tunable = prop::collection::vec(prop::bool::weighted(0.1), functions);
            let lent = prop::collection::vec(prop::bool::weighted(0.1), functions);
            let references = prop::collection::vec((origin(), unit()), 0..6);
            let calls = prop::collection::vec((origin(), (0..functions as u32).prop_map(FunctionId)), 0..12);
            (bodies, tunable, lent, references, calls).prop_map(
                move |(bodies, tunable, lent, references, calls)| {
                    (Facts { rows, units, bodies, tunable, lent, references }, calls)
                },
            )
        })
    }

    proptest! {
        /// Runs the program under each row: whatever is reached, by slots, references and direct calls, must
        /// find behind each direct call the body that this row's slot holds.
        #[test]
        fn no_row_reaches_a_body_of_another((facts, calls) in any_facts()) {
            let plan = Plan::new(&facts);
            for row in 0..facts.rows {
                let mut reached = vec![false; facts.units];
                let mut work: Vec<Origin> = vec![Origin::Everywhere];
                work.extend(facts.bodies.iter().map(|b| Origin::Unit(b[row])));
                while let Some(at) = work.pop() {
                    if let Origin::Unit(unit) = at {
                        if std::mem::replace(&mut reached[unit.0 as usize], true) { continue; }
                        prop_assert!(plan.rows(at).contains(row));
                    }
                    work.extend(facts.references.iter().filter(|r| r.0 == at).map(|r| Origin::Unit(r.1)));
                    for (origin, callee) in calls.iter().filter(|c| c.0 == at) {
                        if let Decision::Direct(body) = plan.decide(*origin, *callee) {
                            prop_assert_eq!(body, facts.bodies[callee.0 as usize][row]);
                            work.push(Origin::Unit(body));
                        }
                    }
                }
            }
        }

        /// A call that every row of its caller agrees on is not left on a slot.
        #[test]
        fn what_can_be_direct_is((facts, calls) in any_facts()) {
            let plan = Plan::new(&facts);
            for (origin, callee) in calls {
                let rows = plan.rows(origin);
                let bodies: Vec<_> = rows.iter().map(|r| facts.bodies[callee.0 as usize][r]).collect();
                let callee_stays = facts.tunable[callee.0 as usize] || facts.lent[callee.0 as usize];
                let agree = bodies.windows(2).all(|w| w[0] == w[1]) && !callee_stays;
                prop_assert_eq!(matches!(plan.decide(origin, callee), Decision::Direct(_)), agree);
            }
        }
    }
}
