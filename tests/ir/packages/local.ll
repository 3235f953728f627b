; Local functions that nobody tells apart become ones of which a package offers its copy, and a borrower of which leaves out its own.
; RUN: JL_PACKAGE=1 opt '-passes=jl-identity<O2>' -S %s | FileCheck %s
; RUN: opt '-passes=jl-identity<O2>' -S %s | FileCheck %s --check-prefix=ALONE
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

@counter = internal global i64 0
@table = internal constant [1 x ptr] [ptr blockaddress(@labels, %out)]
declare i64 @elsewhere(i64)

; CHECK: $_ZN4core4hash17h[[HEX:[0-9a-f]+]]E.llvm.[[HASH:[0-9A-F]+]] = comdat any
; ALONE-NOT: comdat

; Of two that are the same, and have several uses each, one is left.
; CHECK: define i64 @user(
; CHECK: call i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](i64 %x)
; CHECK: call i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](i64 %a)
; CHECK: call i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](i64 %again)
; CHECK: call i64 @small(
; CHECK: call i64 @compared(
; CHECK: call i64 @own_data(
define i64 @user(i64 %x) {
  %a = call i64 @_ZN4core4hash17h0123456789abcdefE(i64 %x)
  %again = call i64 @_ZN5other4hash17hfedcba9876543210E(i64 %a)
  %b = call i64 @_ZN5other4hash17hfedcba9876543210E(i64 %again)
  %c = call i64 @small(i64 %b)
  %d = call i64 @compared(i64 %c)
  %e = call i64 @own_data(i64 %d)
  %f = call i64 @unlikely(i64 %e)
  %g = call i64 @unlikely(i64 %f)
  ret i64 %g
}

; CHECK: define linkonce_odr hidden i64 @unlikely.llvm.{{[0-9A-F]+}}(i64 %x) unnamed_addr #[[COLD:[0-9]+]] comdat {
define internal i64 @unlikely(i64 %x) unnamed_addr cold {
  %a = call i64 @elsewhere(i64 %x)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  %i = add i64 %h, 3
  ret i64 %i
}

; CHECK: define linkonce_odr hidden i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](i64 %x) unnamed_addr #[[KNOWN:[0-9]+]] comdat {
; ALONE: define internal i64 @_ZN4core4hash17h0123456789abcdefE(
define internal i64 @_ZN4core4hash17h0123456789abcdefE(i64 %x) unnamed_addr {
  %a = call i64 @elsewhere(i64 %x)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  ret i64 %h
}

; CHECK-NOT: _ZN5other4hash
; ALONE: define internal i64 @_ZN5other4hash17hfedcba9876543210E(
define internal i64 @_ZN5other4hash17hfedcba9876543210E(i64 %x) unnamed_addr {
  %a = call i64 @elsewhere(i64 %x)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  ret i64 %h
}

; The only use of a function keeps it, for LLVM will inline it there. If it is large, others get a copy, with copies of what it uses.
; CHECK: call i64 @once(
; CHECK: define internal i64 @once(
define i64 @only_user(i64 %x) {
  %a = call i64 @once(i64 %x)
  %b = call i64 @once_and_small(i64 %a)
  ret i64 %b
}

; CHECK: call i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](
; CHECK: call i64 @within(
; CHECK: call i64 @helper(
; CHECK: call i64 @labels(
define internal i64 @once(i64 %x) unnamed_addr {
  %a = call i64 @_ZN4core4hash17h0123456789abcdefE(i64 %x)
  %b = call i64 @within(i64 %a)
  %c = call i64 @helper(i64 %b)
  %d = call i64 @labels(i64 %c)
  ret i64 %d
}

; CHECK: define internal i64 @within(
define internal i64 @within(i64 %x) unnamed_addr {
  %v0 = call i64 @elsewhere(i64 %x)
  %v1 = call i64 @elsewhere(i64 %v0)
  %v2 = call i64 @elsewhere(i64 %v1)
  %v3 = call i64 @elsewhere(i64 %v2)
  %v4 = call i64 @elsewhere(i64 %v3)
  %v5 = call i64 @elsewhere(i64 %v4)
  %v6 = call i64 @elsewhere(i64 %v5)
  %v7 = call i64 @elsewhere(i64 %v6)
  %v8 = call i64 @elsewhere(i64 %v7)
  %v9 = call i64 @elsewhere(i64 %v8)
  %v10 = call i64 @elsewhere(i64 %v9)
  %v11 = call i64 @elsewhere(i64 %v10)
  %v12 = call i64 @elsewhere(i64 %v11)
  %v13 = call i64 @elsewhere(i64 %v12)
  %v14 = call i64 @elsewhere(i64 %v13)
  %v15 = call i64 @elsewhere(i64 %v14)
  %v16 = call i64 @elsewhere(i64 %v15)
  %v17 = call i64 @elsewhere(i64 %v16)
  %v18 = call i64 @elsewhere(i64 %v17)
  %v19 = call i64 @elsewhere(i64 %v18)
  %v20 = call i64 @elsewhere(i64 %v19)
  %v21 = call i64 @elsewhere(i64 %v20)
  %v22 = call i64 @elsewhere(i64 %v21)
  %v23 = call i64 @elsewhere(i64 %v22)
  %v24 = call i64 @elsewhere(i64 %v23)
  %v25 = call i64 @elsewhere(i64 %v24)
  %v26 = call i64 @elsewhere(i64 %v25)
  %v27 = call i64 @elsewhere(i64 %v26)
  %v28 = call i64 @elsewhere(i64 %v27)
  %v29 = call i64 @elsewhere(i64 %v28)
  ret i64 %v29
}

; CHECK: define internal i64 @helper(
define internal i64 @helper(i64 %x) unnamed_addr {
  %y = add i64 %x, 2
  ret i64 %y
}

; Of a function whose labels are named by data there can be no copy.
; CHECK: define internal i64 @labels(
define internal i64 @labels(i64 %x) unnamed_addr {
  %to = load ptr, ptr @table
  indirectbr ptr %to, [label %out]
out:
  ret i64 %x
}

; CHECK: define internal i64 @once_and_small(
define internal i64 @once_and_small(i64 %x) unnamed_addr {
  %a = call i64 @elsewhere(i64 %x)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  ret i64 %h
}

; Inlined wherever it is called.
; CHECK: define internal i64 @small(
define internal i64 @small(i64 %x) unnamed_addr {
  %y = add i64 %x, 1
  ret i64 %y
}

; Its address may be compared, as the front end knows.
; CHECK: define internal i64 @compared(
define internal i64 @compared(i64 %x) {
  %a = call i64 @elsewhere(i64 %x)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  ret i64 %h
}

; CHECK: define internal i64 @own_data(
define internal i64 @own_data(i64 %x) unnamed_addr {
  %y = load i64, ptr @counter
  %a = call i64 @elsewhere(i64 %y)
  %b = call i64 @elsewhere(i64 %a)
  %c = call i64 @elsewhere(i64 %b)
  %d = call i64 @elsewhere(i64 %c)
  %e = call i64 @elsewhere(i64 %d)
  %f = call i64 @elsewhere(i64 %e)
  %g = call i64 @elsewhere(i64 %f)
  %h = call i64 @elsewhere(i64 %g)
  store i64 %h, ptr @counter
  ret i64 %h
}

; CHECK-NOT: define {{.*}} @once_and_small
; CHECK-DAG: define weak_odr hidden i64 @once.llvm.{{[0-9A-F]+}}(i64 %x) unnamed_addr {{.*}}comdat {
; CHECK-DAG: call i64 @_ZN4core4hash17h[[HEX]]E.llvm.[[HASH]](
; CHECK-DAG: call i64 @within.llvm.[[WITHIN:[0-9A-F]+]](
; CHECK-DAG: call i64 @helper.{{[0-9]+}}(
; CHECK-DAG: call i64 @labels(
; CHECK-DAG: define weak_odr hidden i64 @within.llvm.{{[0-9A-F]+}}(
; CHECK-DAG: define internal i64 @helper.{{[0-9]+}}(

; Inlined even where it is larger than else, as it may have one use in each of those that have it from here; but for what is seldom called.
; CHECK-DAG: attributes #[[COLD]] = { cold "jl.identity"=
; CHECK-DAG: attributes #[[KNOWN]] = { "function-inline-threshold"="450" "jl.identity"="{{[0-9a-f]+ [0-9a-f]+}}"
