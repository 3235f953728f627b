// The parts of canonical bytes (identity.cpp) that are the same wherever they stand: numbers, texts, types, lists of
// attributes.
#pragma once
#include "llvm/ADT/APInt.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Attributes.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalValue.h"
#include <string>

namespace jl {

// A symbol of Rust's that other crates know: its name has a hash of the crate (with version and features) and of the types that
// it is an instance for. So the name stands for the definition, whether that is in this module or not.
inline bool isNamedByCrate(const llvm::GlobalValue &G) {
  if (!G.hasExternalLinkage() || !G.hasDefaultVisibility())
    return false;
  llvm::StringRef Name = G.getName();
  if (Name.starts_with("_R"))
    return true;
  llvm::StringRef Hash = Name.take_back(20);
  return Name.starts_with("_ZN") && Hash.size() == 20 && Hash.starts_with("17h") && Hash.ends_with("E") &&
         llvm::all_of(Hash.slice(3, 19), llvm::isHexDigit);
}

class Bytes {
protected:
  std::string Out;

public:
  void tag(char C) { Out += C; }
  void number(uint64_t N) {
    for (; N >= 0x80; N >>= 7)
      Out += char(N | 0x80);
    Out += char(N);
  }
  void string(llvm::StringRef S) {
    number(S.size());
    Out.append(S.data(), S.size());
  }
  void integer(const llvm::APInt &I) {
    number(I.getBitWidth());
    for (unsigned W = 0; W < I.getNumWords(); ++W)
      number(I.getRawData()[W]);
  }
  std::string take() { return std::move(Out); }
};

// What is the same for all definitions of a module and costs time: types and lists of attributes.
class Tables {
  llvm::DenseMap<llvm::Type *, std::string> Types;
  llvm::DenseMap<void *, std::string> Lists;

  std::string encode(llvm::Type *T) {
    Bytes B;
    std::string Parts;
    B.number(T->getTypeID());
    if (auto *I = llvm::dyn_cast<llvm::IntegerType>(T))
      B.number(I->getBitWidth());
    else if (auto *P = llvm::dyn_cast<llvm::PointerType>(T))
      B.number(P->getAddressSpace());
    else if (auto *A = llvm::dyn_cast<llvm::ArrayType>(T))
      B.number(A->getNumElements());
    else if (auto *V = llvm::dyn_cast<llvm::VectorType>(T))
      B.number(V->getElementCount().getKnownMinValue());
    else if (auto *F = llvm::dyn_cast<llvm::FunctionType>(T))
      B.number(F->isVarArg());
    else if (auto *S = llvm::dyn_cast<llvm::StructType>(T)) {
      B.number(S->isOpaque() << 1 | S->isPacked());
      // Nothing but its name tells an opaque type from another.
      if (S->isOpaque() && S->hasName())
        B.string(S->getName());
    } else if (auto *X = llvm::dyn_cast<llvm::TargetExtType>(T)) {
      B.string(X->getName());
      B.number(X->getNumIntParameters());
      for (unsigned I : X->int_params())
        B.number(I);
    }
    B.number(T->getNumContainedTypes());
    Parts = B.take();
    for (llvm::Type *Part : T->subtypes())
      Parts += type(Part);
    return Parts;
  }

  std::string encode(llvm::AttributeList L) {
    Bytes B;
    for (unsigned Index : L.indexes()) {
      llvm::AttributeSet Set = L.getAttributes(Index);
      if (!Set.hasAttributes())
        continue;
      B.number(Index + 2); // the function's own have ~0
      encode(B, Set);
    }
    B.number(0);
    return B.take();
  }

public:
  const std::string &type(llvm::Type *T) {
    auto Found = Types.find(T);
    if (Found != Types.end())
      return Found->second;
    std::string Encoded = encode(T);
    return Types[T] = std::move(Encoded);
  }

  void encode(Bytes &B, llvm::AttributeSet Set) {
    for (llvm::Attribute A : Set) {
      // Ours: what was asked for is a matter of the whole module, and what became of it no matter at all.
      if (A.isStringAttribute() && (A.getKindAsString().starts_with("jl.") || A.getKindAsString() == "julia.mv.clones"))
        continue;
      B.tag('a');
      // As text, but for the names of types.
      if (A.isTypeAttribute()) {
        B.string(llvm::Attribute::getNameFromAttrKind(A.getKindAsEnum()));
        B.string(A.getValueAsType() ? type(A.getValueAsType()) : "");
      } else {
        B.string(A.getAsString());
        B.string("");
      }
    }
    B.tag('.');
  }

  const std::string &attributes(llvm::AttributeList L) {
    auto Found = Lists.find(L.getRawPointer());
    if (Found != Lists.end())
      return Found->second;
    std::string Encoded = encode(L);
    return Lists[L.getRawPointer()] = std::move(Encoded);
  }
};

} // namespace jl
