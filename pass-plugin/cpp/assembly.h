// What inline assembly for x86 names besides its operands.
#pragma once
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"
#include <string>

namespace jl {

// The text in AT&T's syntax: the first of each list of alternatives, and neither comments nor the marks of literal dollars.
// False for what LLVM would not take.
inline bool plainText(llvm::StringRef Text, std::string &Plain) {
  bool Skips = false, Inside = false;
  for (size_t I = 0; I < Text.size(); ++I) {
    char C = Text[I], Next = I + 1 < Text.size() ? Text[I + 1] : 0;
    if (C == '$' && (Next == '(' || Next == '|' || Next == ')')) {
      if ((Next == '(') == Inside)
        return false;
      Inside = Next != ')';
      Skips = Next == '|';
      ++I;
    } else if (C == '#' && !Skips) {
      I = std::min(Text.find('\n', I), Text.size()) - 1;
    } else if (!Skips) {
      Plain += C;
    }
  }
  return !Inside;
}

// Operands by number, registers but the program counter, and numbers.
inline bool isHarmless(llvm::StringRef Word) {
  if (Word.consume_front("%"))
    return !Word.empty() && llvm::all_of(Word, llvm::isAlnum) && !Word.contains("ip");
  if (Word.consume_front("${"))
    return Word.consume_back("}") && llvm::all_of(Word, [](char C) { return llvm::isAlnum(C) || C == ':'; });
  Word.consume_front("$");
  Word.consume_front("$");
  Word.consume_front("-");
  if (Word.consume_front("0x"))
    return !Word.empty() && llvm::all_of(Word, llvm::isHexDigit);
  return !Word.empty() && llvm::all_of(Word, llvm::isDigit);
}

// Whether a text consists of instructions whose operands are the ones given, registers and numbers: no symbol, label or
// directive. What is not surely so is not.
inline bool namesNothing(llvm::StringRef Text) {
  std::string Plain;
  if (!plainText(Text, Plain))
    return false;
  llvm::SmallVector<llvm::StringRef, 8> Statements;
  llvm::SplitString(Plain, Statements, ";\n");
  return llvm::all_of(Statements, [](llvm::StringRef Statement) {
    auto [Mnemonic, Operands] = Statement.trim().split(Statement.trim().contains('\t') ? '\t' : ' ');
    if (!llvm::all_of(Mnemonic, [](char C) { return llvm::isAlnum(C); }) || llvm::any_of(Operands, [](char C) {
          return C == '"' || C == '*' || C == '@' || C == '+';
        }))
      return false;
    llvm::SmallVector<llvm::StringRef, 8> Words;
    llvm::SplitString(Operands, Words, " \t,()");
    return llvm::all_of(Words, isHarmless);
  });
}
} // namespace jl
