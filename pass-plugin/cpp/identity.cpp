// A definition as canonical bytes: all that it means, and nothing of how its module happens to write it down. LLVM's
// C API cannot read half of this (flags of instructions, orderings, attributes of types, metadata), and LLVM's own
// StructuralHash leaves out attributes, alignments, orderings and metadata, and has 64 bits.
//
// The bytes can be decoded: every value starts with a tag and every list with its length, so that two definitions
// have the same bytes only if they are the same. Left out: names of locals, blocks, types and local symbols,
// numbers of metadata, debug information. Another symbol is a number, in the order in which the definition first
// names them; who asks is told which they are and how each is used. An instruction that is not known here is told.
#include "assembly.h"
#include "canonical.h"
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"
#include <map>

using namespace llvm;
using namespace jl;

namespace {
// How a definition uses a symbol; Rust has the same bits (llvm/identity.rs).
enum Use : unsigned { Calls = 1, Reads = 2, Writes = 4, TakesAddress = 8, Unwinds = 16 };
// What stands in the way of sharing or reading a definition.
enum Obstacle : unsigned { LabelAddress = 1, Unknown = 2, Assembly = 4 };

// How the memory or code behind a pointer is used through `U`.
unsigned useOf(const llvm::Use &U, unsigned Depth = 0) {
  const User *By = U.getUser();
  if (Depth > 6)
    return TakesAddress;
  if (isa<GEPOperator>(By) || isa<BitCastOperator>(By)) {
    if (isa<GEPOperator>(By) && U.getOperandNo() != 0)
      return TakesAddress;
    // A constant has users in other definitions too; the walk comes here from the one that is read.
    if (isa<Constant>(By))
      return TakesAddress;
    unsigned All = 0;
    for (const llvm::Use &Next : By->uses())
      All |= useOf(Next, Depth + 1);
    return All;
  }
  if (isa<LoadInst>(By))
    return Reads;
  if (auto *S = dyn_cast<StoreInst>(By))
    return U.getOperandNo() == S->getPointerOperandIndex() ? Writes : TakesAddress;
  if (isa<AtomicRMWInst>(By) || isa<AtomicCmpXchgInst>(By))
    return U.getOperandNo() == 0 ? Writes : TakesAddress;
  if (auto *M = dyn_cast<AnyMemIntrinsic>(By)) {
    if (U.getOperandNo() == 0)
      return Writes;
    return isa<AnyMemTransferInst>(M) && U.getOperandNo() == 1 ? Reads : TakesAddress;
  }
  if (auto *C = dyn_cast<CallBase>(By))
    return C->isCallee(&U) ? Calls : TakesAddress;
  // A landing pad's clause is compared by the unwinder, by name or address, as for every other image.
  return TakesAddress;
}

class Definition : Bytes {
  Tables &T;
  bool IsX86;
  // The places of what has one: arguments and instructions, blocks, symbols, nodes of metadata, long types and lists.
  DenseMap<const Value *, unsigned> Values;
  DenseMap<const GlobalValue *, unsigned> Symbols;
  SmallVector<std::pair<const GlobalValue *, unsigned>, 16> Named;
  DenseMap<const Metadata *, unsigned> Nodes;
  StringMap<unsigned> Long;

public:
  unsigned Obstacles = 0;
  Definition(Tables &T, const Module &M) : T(T), IsX86(Triple(M.getTargetTriple()).isX86()) {}
  using Bytes::tag;
  using Bytes::take;
  ArrayRef<std::pair<const GlobalValue *, unsigned>> named() const { return Named; }

  // Writes what a long text says once, and from then on its number.
  void text(const std::string &Text) {
    if (Text.size() <= 16)
      return string(Text);
    auto [Place, New] = Long.try_emplace(Text, Long.size());
    tag(New ? '+' : '=');
    if (New)
      string(Text);
    else
      number(Place->second);
  }
  void type(Type *Ty) { text(T.type(Ty)); }
  void attributes(AttributeList L) { text(T.attributes(L)); }
  void align(MaybeAlign A) { number(A ? A->value() : 0); }
  void scope(SyncScope::ID ID, LLVMContext &C) {
    SmallVector<StringRef, 8> Names;
    C.getSyncScopeNames(Names);
    string(ID < Names.size() ? Names[ID] : "?");
  }

  void symbol(const GlobalValue *G, unsigned Uses) {
    if (Uses == Calls)
      G = calledAs(*G);
    auto [Place, New] = Symbols.try_emplace(G, Named.size());
    if (New)
      Named.push_back({G, 0});
    Named[Place->second].second |= Uses;
    tag('G');
    number(Place->second);
  }

  // What a call of a symbol calls: explicit instantiations of classes have one of a constructor's symbols as an alias of
  // the other, and implicit ones have the other alone. No definition but an equivalent one may take the alias's place.
  static const GlobalValue *calledAs(const GlobalValue &G) {
    auto *A = dyn_cast<GlobalAlias>(&G);
    auto *F = A && A->hasWeakODRLinkage() ? dyn_cast<Function>(A->getAliasee()) : nullptr;
    return F && F->hasWeakODRLinkage() && F->getComdat() && F->getFunctionType() == A->getValueType() ? F : &G;
  }

  void operand(const llvm::Use &U) {
    const auto *C = dyn_cast<Constant>(U.get());
    if (!C)
      return value(U.get());
    // Symbols deep in a constant are used as that is, where it is an address in one of them.
    constant(C, isa<Instruction>(U.getUser()) ? useOf(U) : unsigned(TakesAddress));
  }

  void value(const Value *V) {
    if (auto *C = dyn_cast<Constant>(V))
      return constant(C, TakesAddress);
    if (auto *A = dyn_cast<InlineAsm>(V))
      return assembly(A);
    if (auto *M = dyn_cast<MetadataAsValue>(V)) {
      tag('M');
      return metadata(M->getMetadata());
    }
    auto Found = Values.find(V);
    if (Found == Values.end()) {
      Obstacles |= Unknown;
      return tag('?');
    }
    tag('L');
    number(Found->second);
  }

  void assembly(const InlineAsm *A) {
    tag('A');
    type(A->getFunctionType());
    string(A->getAsmString());
    string(A->getConstraintString());
    number(A->hasSideEffects() | A->isAlignStack() << 1 | A->canThrow() << 2 | A->getDialect() << 3);
    StringRef Text(A->getAsmString());
    bool IsRead = IsX86 && A->getDialect() == InlineAsm::AD_ATT;
    if (IsRead ? !namesNothing(Text) : !Text.trim().empty())
      Obstacles |= Assembly;
  }

  // By a cast that LLVM folds: the functions of APFloat name data of one LLVM only, and then no other one could load
  // the plugin far enough to be told that it does not fit.
  void floating(const ConstantFP *F) {
    Type *Bits = IntegerType::get(F->getContext(), F->getType()->getScalarSizeInBits());
    if (auto *I = dyn_cast<ConstantInt>(ConstantExpr::getBitCast(const_cast<ConstantFP *>(F), Bits)))
      return integer(I->getValue());
    Obstacles |= Unknown;
    tag('?');
  }

  void constant(const Constant *C, unsigned Uses) {
    if (auto *G = dyn_cast<GlobalValue>(C))
      return symbol(G, Uses);
    tag('C');
    number(C->getValueID());
    type(C->getType());
    if (auto *I = dyn_cast<ConstantInt>(C))
      return integer(I->getValue());
    if (auto *F = dyn_cast<ConstantFP>(C))
      return floating(F);
    if (auto *D = dyn_cast<ConstantDataSequential>(C))
      return string(D->getRawDataValues());
    if (auto *B = dyn_cast<BlockAddress>(C)) {
      Obstacles |= LabelAddress;
      symbol(B->getFunction(), TakesAddress);
      std::vector<const BasicBlock *> All = blocks(*B->getFunction());
      return number(find(All, B->getBasicBlock()) - All.begin());
    }
    bool IsAddress = false;
    if (auto *E = dyn_cast<ConstantExpr>(C)) {
      number(E->getOpcode());
      number(E->getRawSubclassOptionalData());
      number(predicateOf(*E));
      if (E->getOpcode() == Instruction::ShuffleVector)
        mask(E->getShuffleMask());
      if (auto *Gep = dyn_cast<GEPOperator>(E)) {
        type(Gep->getSourceElementType());
        SmallVector<APInt, 2> Bounds = inRangeOf(*Gep);
        number(Bounds.size());
        for (const APInt &Bound : Bounds)
          integer(Bound);
      }
      IsAddress = isa<GEPOperator>(E) || E->getOpcode() == Instruction::BitCast;
    }
    number(C->getNumOperands());
    for (unsigned I = 0; I < C->getNumOperands(); ++I) {
      // The operand of a label's address is a block, and that is written above.
      if (auto *Part = dyn_cast<Constant>(C->getOperand(I)))
        constant(Part, IsAddress && I == 0 ? Uses : unsigned(TakesAddress));
      else
        Obstacles |= Unknown;
    }
  }

  void mask(ArrayRef<int> Mask) {
    number(Mask.size());
    for (int I : Mask)
      number(unsigned(I + 1));
  }

  // Debug information hangs on other metadata here and there, as in loops.
  static bool isDebug(const Metadata *M) { return M && isa<MDNode>(M) && !isa<MDTuple>(M); }

  // Only itself and debug information: a loop of which nothing is known but where it stands.
  static bool saysNothing(const MDNode *Node) {
    return isDebug(Node) || (Node->getNumOperands() && Node->getOperand(0) == Node &&
                             all_of(Node->operands(), [Node](const MDOperand &Op) {
                               return Op.get() == Node || isDebug(Op.get());
                             }));
  }

  void metadata(const Metadata *M) {
    if (!M)
      return tag('0');
    if (auto *S = dyn_cast<MDString>(M)) {
      tag('s');
      return string(S->getString());
    }
    if (auto *V = dyn_cast<ValueAsMetadata>(M)) {
      tag('v');
      return value(V->getValue());
    }
    auto *Node = dyn_cast<MDTuple>(M);
    if (!Node)
      return tag('d');
    auto [Place, New] = Nodes.try_emplace(Node, Nodes.size());
    tag(New ? 'n' : 'r');
    if (!New)
      return number(Place->second);
    number(Node->isDistinct());
    // A text beside a node's own address only describes it (scopes of aliases: function and argument).
    bool IsSelf = Node->getNumOperands() && Node->getOperand(0) == Node;
    for (const MDOperand &Op : Node->operands())
      if (!isDebug(Op.get()) && !(IsSelf && isa_and_nonnull<MDString>(Op.get()))) {
        tag(',');
        metadata(Op.get());
      }
    tag('.');
  }

  template <class List> void attachments(const List &All, LLVMContext &C) {
    SmallVector<StringRef, 64> Names;
    C.getMDKindNames(Names);
    // Kinds have numbers in the order in which a context first met them.
    std::multimap<StringRef, const MDNode *> Sorted;
    for (auto &[Kind, Node] : All)
      if (Kind != LLVMContext::MD_dbg && Names[Kind] != "srcloc" && Names[Kind] != "DIAssignID" && !saysNothing(Node))
        Sorted.insert({Names[Kind], Node});
    for (auto &[Name, Node] : Sorted) {
      tag('m');
      string(Name);
      metadata(Node);
    }
    tag('.');
  }

  // What only some kinds of instruction have; false for a kind that is not known.
  bool special(const Instruction &I) {
    LLVMContext &C = I.getContext();
    if (auto *A = dyn_cast<AllocaInst>(&I)) {
      type(A->getAllocatedType());
      align(A->getAlign());
      number(A->isUsedWithInAlloca() | A->isSwiftError() << 1);
    } else if (auto *L = dyn_cast<LoadInst>(&I)) {
      number(L->isVolatile());
      align(L->getAlign());
      number(unsigned(L->getOrdering()));
      scope(L->getSyncScopeID(), C);
    } else if (auto *S = dyn_cast<StoreInst>(&I)) {
      number(S->isVolatile());
      align(S->getAlign());
      number(unsigned(S->getOrdering()));
      scope(S->getSyncScopeID(), C);
    } else if (auto *F = dyn_cast<FenceInst>(&I)) {
      number(unsigned(F->getOrdering()));
      scope(F->getSyncScopeID(), C);
    } else if (auto *X = dyn_cast<AtomicCmpXchgInst>(&I)) {
      number(X->isVolatile() | X->isWeak() << 1);
      align(X->getAlign());
      number(unsigned(X->getSuccessOrdering()));
      number(unsigned(X->getFailureOrdering()));
      scope(X->getSyncScopeID(), C);
    } else if (auto *R = dyn_cast<AtomicRMWInst>(&I)) {
      number(R->getOperation());
      number(R->isVolatile());
      align(R->getAlign());
      number(unsigned(R->getOrdering()));
      scope(R->getSyncScopeID(), C);
    } else if (auto *G = dyn_cast<GetElementPtrInst>(&I)) {
      type(G->getSourceElementType());
    } else if (auto *P = dyn_cast<CmpInst>(&I)) {
      number(P->getPredicate());
    } else if (auto *B = dyn_cast<CallBase>(&I)) {
      call(*B);
    } else if (auto *V = dyn_cast<ShuffleVectorInst>(&I)) {
      mask(V->getShuffleMask());
    } else if (auto *E = dyn_cast<ExtractValueInst>(&I)) {
      indices(E->getIndices());
    } else if (auto *N = dyn_cast<InsertValueInst>(&I)) {
      indices(N->getIndices());
    } else if (auto *Pad = dyn_cast<LandingPadInst>(&I)) {
      number(Pad->isCleanup());
    } else if (auto *Phi = dyn_cast<PHINode>(&I)) {
      for (const BasicBlock *From : Phi->blocks())
        value(From);
    } else if (auto *Switch = dyn_cast<SwitchInst>(&I)) {
      // Not all of LLVM's releases keep the cases among the operands.
      number(Switch->getNumCases());
      for (auto &Case : Switch->cases()) {
        value(Case.getCaseValue());
        value(Case.getCaseSuccessor());
      }
    } else {
      return isKnown(I.getOpcode());
    }
    return true;
  }

  // Kinds of instruction of which opcode, type, flags and operands say all.
  static bool isKnown(unsigned Opcode) {
    if (Instruction::isBinaryOp(Opcode) || Instruction::isUnaryOp(Opcode) || Instruction::isCast(Opcode))
      return true;
    switch (Opcode) {
    case Instruction::Ret:
    case Instruction::Br:
    case Instruction::IndirectBr:
    case Instruction::Resume:
    case Instruction::Unreachable:
    case Instruction::CleanupRet:
    case Instruction::CatchRet:
    case Instruction::CatchSwitch:
    case Instruction::CleanupPad:
    case Instruction::CatchPad:
    case Instruction::Select:
    case Instruction::VAArg:
    case Instruction::ExtractElement:
    case Instruction::InsertElement:
    case Instruction::Freeze:
      return true;
    default:
      return false;
    }
  }

  void indices(ArrayRef<unsigned> List) {
    number(List.size());
    for (unsigned I : List)
      number(I);
  }

  void call(const CallBase &B) {
    type(B.getFunctionType());
    number(B.getCallingConv());
    if (auto *C = dyn_cast<CallInst>(&B))
      number(C->getTailCallKind());
    if (auto *C = dyn_cast<CallBrInst>(&B))
      number(C->getNumIndirectDests());
    attributes(B.getAttributes());
    number(B.getNumOperandBundles());
    for (unsigned I = 0; I < B.getNumOperandBundles(); ++I) {
      OperandBundleUse Bundle = B.getOperandBundleAt(I);
      string(Bundle.getTagName());
      number(Bundle.Inputs.size());
    }
  }

  void instruction(const Instruction &I) {
    number(I.getOpcode());
    type(I.getType());
    number(I.getRawSubclassOptionalData());
    if (!special(I))
      Obstacles |= Unknown;
    number(I.getNumOperands());
    for (const llvm::Use &U : I.operands())
      operand(U);
    SmallVector<std::pair<unsigned, MDNode *>, 4> All;
    I.getAllMetadataOtherThanDebugLoc(All);
    attachments(All, I.getContext());
  }

  // Blocks in the order in which control may reach them, as a front end puts some where it first needs them.
  static std::vector<const BasicBlock *> blocks(const Function &F) {
    ReversePostOrderTraversal<const Function *> Reached(&F);
    std::vector<const BasicBlock *> All(Reached.begin(), Reached.end());
    SmallPtrSet<const BasicBlock *, 32> Seen(All.begin(), All.end());
    for (const BasicBlock &B : F)
      if (Seen.insert(&B).second)
        All.push_back(&B);
    return All;
  }

  // A variable of fixed size on the stack: where it stands in the entry block means nothing.
  static bool isVariable(const Value *V) {
    auto *A = dyn_cast<AllocaInst>(V);
    return A && A->isStaticAlloca();
  }

  static bool isWritten(const Instruction &I) { return !isa<DbgInfoIntrinsic>(I) && !isVariable(&I); }

  // Variables first, in the order in which they are used.
  void body(const Function &F) {
    std::vector<const BasicBlock *> Blocks = blocks(F);
    for (const Argument &A : F.args())
      Values.try_emplace(&A, Values.size());
    std::vector<const AllocaInst *> Variables;
    for (const BasicBlock *B : Blocks)
      for (const Instruction &I : *B)
        if (isWritten(I))
          for (const Value *V : I.operand_values())
            if (isVariable(V) && Values.try_emplace(V, Values.size()).second)
              Variables.push_back(cast<AllocaInst>(V));
    for (const BasicBlock *B : Blocks) {
      Values.try_emplace(B, Values.size());
      for (const Instruction &I : *B)
        if (isWritten(I))
          Values.try_emplace(&I, Values.size());
    }
    for (const AllocaInst *A : Variables) {
      tag('V');
      instruction(*A);
    }
    for (const BasicBlock *B : Blocks) {
      tag('B');
      for (const Instruction &I : *B)
        if (isWritten(I)) {
          tag('I');
          instruction(I);
        }
    }
  }

  // An explicit instantiation is its implicit one, but for being kept where nobody uses it.
  static unsigned linkageOf(const GlobalValue &G) {
    return G.hasWeakODRLinkage() && !isa<GlobalAlias>(G) ? GlobalValue::LinkOnceODRLinkage : G.getLinkage();
  }

  // What every symbol has. The name is part of what is not local.
  void head(const GlobalValue &G, bool Whole) {
    number(G.getValueID());
    if (!G.hasLocalLinkage())
      string(isa<Function>(G) && cast<Function>(G).isIntrinsic()
                 ? Intrinsic::getBaseName(cast<Function>(G).getIntrinsicID())
                 : G.getName());
    type(G.getValueType());
    number(G.getAddressSpace());
    number(linkageOf(G));
    // Whether references may skip the dynamic linker's tables (dso_local) is where the symbol is found, not what it means: front ends say so
    // of all in a program, where the dynamic linker finds the program's first.
    number(G.getVisibility() | G.getDLLStorageClass() << 3);
    number(G.getThreadLocalMode());
    number(unsigned(G.getUnnamedAddr()));
    string(G.getPartition());
    if (auto *F = dyn_cast<Function>(&G)) {
      number(F->getCallingConv());
      // Where the definition is known, more is known of it.
      if (Whole || !isNamedByCrate(G))
        attributes(F->getAttributes());
    } else if (auto *V = dyn_cast<GlobalVariable>(&G)) {
      number(V->isConstant());
    }
  }

  void object(const GlobalObject &O) {
    string(O.getSection());
    if (const Comdat *Group = O.getComdat()) {
      number(Group->getSelectionKind() + 1);
      // An explicit instantiation's constructors have a group of their own; what may be equivalent copies anyway means
      // the same in any.
      string(Group->getName() == O.getName() || O.hasWeakODRLinkage() || O.hasLinkOnceODRLinkage() ? "" : Group->getName());
    } else {
      number(0);
    }
    SmallVector<std::pair<unsigned, MDNode *>, 4> All;
    O.getAllMetadata(All);
    attachments(All, O.getContext());
  }

  void definition(const GlobalValue &G) {
    head(G, /*Whole=*/true);
    if (auto *F = dyn_cast<Function>(&G)) {
      object(*F);
      align(F->getAlign());
      string(F->hasGC() ? F->getGC() : "");
      number(F->hasPersonalityFn() | F->hasPrefixData() << 1 | F->hasPrologueData() << 2);
      if (F->hasPersonalityFn())
        constant(F->getPersonalityFn(), Unwinds);
      if (F->hasPrefixData())
        constant(F->getPrefixData(), TakesAddress);
      if (F->hasPrologueData())
        constant(F->getPrologueData(), TakesAddress);
      body(*F);
    } else if (auto *V = dyn_cast<GlobalVariable>(&G)) {
      object(*V);
      align(V->getAlign());
      number(V->isExternallyInitialized());
      Bytes Set;
      T.encode(Set, V->getAttributes());
      text(Set.take());
      number(codeModelOf(*V));
      number(sanitizersOf(*V));
      constant(V->getInitializer(), TakesAddress);
    } else if (auto *A = dyn_cast<GlobalAlias>(&G)) {
      constant(A->getAliasee(), Calls | TakesAddress);
    } else if (auto *I = dyn_cast<GlobalIFunc>(&G)) {
      constant(I->getResolver(), Calls);
    }
  }

  // What the code of a module depends on besides its definitions.
  void module(const Module &M) {
    string(machine(M));
    string(M.getDataLayoutStr());
    string(M.getModuleInlineAsm());
    SmallVector<Module::ModuleFlagEntry, 16> Flags;
    M.getModuleFlagsMetadata(Flags);
    llvm::sort(Flags, [](auto &A, auto &B) { return A.Key->getString() < B.Key->getString(); });
    for (auto &Flag : Flags)
      if (!isNoMatter(Flag.Key->getString())) {
        tag('f');
        string(Flag.Key->getString());
        metadata(Flag.Val);
      }
    tag('.');
    // Who wrote the IR; a module out of LTO has several.
    std::vector<StringRef> Producers;
    if (const NamedMDNode *Ident = M.getNamedMetadata("llvm.ident"))
      for (const MDNode *Node : Ident->operands())
        if (auto *Text = Node->getNumOperands() ? dyn_cast_or_null<MDString>(Node->getOperand(0)) : nullptr)
          Producers.push_back(Text->getString());
    llvm::sort(Producers);
    Producers.erase(std::unique(Producers.begin(), Producers.end()), Producers.end());
    for (StringRef Producer : Producers)
      string(Producer);
  }

  // Under Linux the vendor is a word alone: clang's own triple has "pc", and one that it is given without a vendor "unknown".
  static std::string machine(const Module &M) {
    Triple T(M.getTargetTriple());
    if (T.isOSLinux())
      T.setVendor(Triple::UnknownVendor);
    return T.str();
  }

  // How addresses are reached, which is another way in libraries and in programs of either kind; flags of debug information, of LTO's
  // own bookkeeping, and marks that our passes leave for each other.
  static bool isNoMatter(StringRef Key) {
    return Key == "PIC Level" || Key == "PIE Level" || Key == "direct-access-external-data" ||
           Key == "Debug Info Version" || Key == "Dwarf Version" || Key == "DWARF64" || Key == "CodeView" ||
           Key == "debug-info-assignment-tracking" || Key == "ThinLTO" || Key == "EnableSplitLTOUnit" ||
           Key == "UnifiedLTO" || Key == "julia.mv.annotated" || Key == "jl.simplified" || Key == "jl.shards" ||
           Key == "jl.identified";
  }
};
} // namespace

extern "C" {
void *jl_cpp_identity_new() { return new Tables; }
void jl_cpp_identity_free(void *State) { delete static_cast<Tables *>(State); }

// What Rust decides by; the bits are those of llvm/identity.rs.
unsigned jl_cpp_identity_facts(LLVMValueRef Symbol) {
  const GlobalValue &G = *unwrap<GlobalValue>(Symbol);
  auto *F = dyn_cast<Function>(&G);
  auto *V = dyn_cast<GlobalVariable>(&G);
  return G.isDeclaration() << 0 | G.isInterposable() << 1 | G.hasLocalLinkage() << 2 |
         !G.hasDefaultVisibility() << 3 | (F != nullptr) << 4 |
         (V && V->isConstant() && !V->isExternallyInitialized()) << 5 | (V != nullptr) << 6 |
         G.isThreadLocal() << 7 | G.hasGlobalUnnamedAddr() << 8 | (F && F->isIntrinsic()) << 9 |
         (F && F->hasFnAttribute(Attribute::Naked)) << 10 | G.hasAvailableExternallyLinkage() << 11 |
         (F && (F->hasPrefixData() || F->hasPrologueData())) << 12 | G.hasSection() << 13 |
         isNamedByCrate(G) << 14 | (G.hasLinkOnceLinkage() || G.hasWeakLinkage() || G.hasCommonLinkage()) << 15;
}

// The canonical bytes of a symbol: with its definition, or as who knows only its declaration sees it. Then each
// symbol that it names, in the order of their numbers. The result has the obstacles.
unsigned jl_cpp_identity_symbol(void *State, LLVMValueRef Symbol, bool Whole, void *Data,
                                void (*Write)(void *, const char *, size_t),
                                void (*Names)(void *, LLVMValueRef, unsigned)) {
  const GlobalValue &G = *unwrap<GlobalValue>(Symbol);
  Definition D(*static_cast<Tables *>(State), *G.getParent());
  D.tag(Whole ? 'D' : 'E');
  if (Whole)
    D.definition(G);
  else
    D.head(G, Whole);
  for (auto &[Named, Uses] : D.named())
    Names(Data, wrap(const_cast<GlobalValue *>(Named)), Uses);
  std::string Bytes = D.take();
  Write(Data, Bytes.data(), Bytes.size());
  return D.Obstacles;
}

void jl_cpp_identity_module(void *State, LLVMModuleRef M, void *Data, void (*Write)(void *, const char *, size_t)) {
  Definition D(*static_cast<Tables *>(State), *unwrap(M));
  D.module(*unwrap(M));
  std::string Bytes = D.take();
  Write(Data, Bytes.data(), Bytes.size());
}
}
