//! One unit: simplified, or taken from the cache.

use super::facts;
use super::interface::{self, Interface, Interfaces};
use crate::emit::place::Stage;
use crate::emit::queue::Task;
use crate::emit::settings::Level;
use crate::emit::store::Store;
use crate::llvm::{Function, Machine, OwnedModule, Piece, PieceRole};

/// What is simplified.
pub struct Unit {
    pub piece: Piece,
    /// Names of the functions that other units may call.
    pub offered: Vec<String>,
    /// Names of its other functions, of which some may be left.
    pub inner: Vec<String>,
    pub level: Level,
}

/// What became of it.
pub struct Simplified {
    /// Bitcode of its functions.
    pub bodies: Vec<u8>,
    pub interfaces: Vec<Interface>,
}

impl Unit {
    /// # Errors
    /// LLVM's words.
    pub fn simplify(&self, known: &Interfaces, store: &Store, task: &Task) -> Result<Simplified, String> {
        let imports = known.seen_from(&self.piece.uses);
        let imports: Vec<&[u8]> = imports.iter().map(|i| i.bitcode.as_slice()).collect();
        let key = store.unit(&self.piece.bitcode, &imports, self.level, &self.offered);
        let kept = task.stage(Stage::Look, || store.get(&key));
        if let Some((bodies, interfaces)) = kept.as_deref().and_then(interface::decode) {
            return Ok(Simplified { bodies, interfaces });
        }
        let (done, silent) = task.stage(Stage::Simplify, || self.run(&imports))?;
        if silent {
            store.put(&key, &interface::encode(&done.bodies, &done.interfaces));
        }
        Ok(done)
    }

    /// What LLVM makes of it, and whether it had nothing to say about it.
    fn run(&self, imports: &[&[u8]]) -> Result<(Simplified, bool), String> {
        let owned = OwnedModule::read_without_names(&self.piece.bitcode)?;
        let module = owned.module();
        let machine = Machine::for_shard(module, self.level)?;
        machine.simplify(module, self.level, imports)?;
        if let Some(error) = owned.error() {
            return Err(error.to_string());
        }
        let bodies = owned.own_bitcode();
        let known: Vec<(Function, PieceRole)> = module
            .functions()
            .filter(|f| self.inner.iter().any(|name| name == f.name()))
            .map(|f| (f, PieceRole::Known))
            .collect();
        let interface = |function: Function| {
            let body = [&[(function, PieceRole::Visible)], known.as_slice()].concat();
            let piece = Some(function).filter(|f| facts::is_importable(*f)).map(|_| module.piece(&body));
            let piece = piece.filter(|piece| piece.is_whole);
            let piece = piece.unwrap_or_else(|| module.piece(&[(function, PieceRole::Declared)]));
            Interface { name: function.name().to_string(), bitcode: piece.bitcode, uses: piece.uses }
        };
        let offered = module.functions().filter(|f| !f.is_declaration());
        let offered = offered.filter(|f| self.offered.iter().any(|name| name == f.name()));
        let interfaces = offered.map(interface).collect();
        Ok((Simplified { bodies, interfaces }, owned.diagnostics().is_empty()))
    }
}
