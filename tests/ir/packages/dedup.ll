; What a dependency exports with the same identity leaves the module, and calls go through import slots.
; DEPENDENCY: libA.so called from_constant taken gone ~hidden ~no_symbol ~hidden_taken strong explicit in_used one_of_group =other
; DEPENDENCY: libB.so called second
; RUN: JL_DEPS=%d opt -passes=jl-identity,jl-dedup -S %s | FileCheck %s
; RUN: JL_DEPS=%d opt -passes=jl-identity,jl-dedup -S %s | FileCheck %s --check-prefix=GONE
; RUN: opt -passes=jl-identity,jl-dedup -S %s | FileCheck %s --check-prefix=NONE
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

; NONE-NOT: jl_imports

$called = comdat any
$from_constant = comdat any
$taken = comdat any
$gone = comdat any
$hidden = comdat any
$no_symbol = comdat any
$hidden_taken = comdat any
$explicit = comdat any
$in_used = comdat any
$group = comdat any
$other = comdat any
$unknown = comdat any
$second = comdat any

@llvm.used = appending global [1 x ptr] [ptr @in_used], section "llvm.metadata"
; CHECK-DAG: @table = constant [2 x ptr] [ptr @from_constant, ptr @hidden_taken]
@table = constant [2 x ptr] [ptr @from_constant, ptr @hidden_taken]

; CHECK-DAG: @called.import_slot = internal externally_initialized global ptr @jl_link_must_link_this, {{.*}}section ".data.rel.ro.jl_import.called", {{.*}}align 8
; CHECK-DAG: @jl_link_must_link_this = external hidden global
; CHECK-DAG: @jl_dependency.{{[0-9a-f]+}} = linkonce_odr hidden constant [256 x i8] c"{{.*}}libA.so\00{{.*}}section "jl_dependencies", {{.*}}comdat, align 8
; CHECK-DAG: @jl_dependency.{{[0-9a-f]+}} = linkonce_odr hidden constant [256 x i8] c"{{.*}}libB.so\00{{.*}}section "jl_dependencies", {{.*}}comdat, align 8
; CHECK-DAG: @called.jl_import = private constant {{.*}} section "jl_imports", {{.*}}align 4, !associated
; CHECK-DAG: @hidden.jl_import = private constant
; CHECK-DAG: c"called\09deduplicated\09libA.so\0A{{.*}}from_constant\09deduplicated\09libA.so\0A{{.*}}no_symbol\09address\09libA.so\0Ahidden_taken\09address\09libA.so\0Astrong\09strong\09libA.so\0Aexplicit\09strong\09libA.so\0Ain_used\09pinned\09libA.so\0Aone_of_group\09group\09libA.so\0Aother_of_group\09not-exported\09\0Aother\09other-content\09libA.so\0Aunknown\09not-exported\09\0Asecond\09deduplicated\09libB.so\0A{{.*}}own_data\09own-data\09\0A{{.*}} section ".jl_package_report", {{.*}}align 1, !exclude

; Neither the functions, nor what only they used.
; GONE-NOT: define {{.*}}@called(
; GONE-NOT: @gone
; GONE-NOT: @only_gone_uses
; GONE-NOT: @data_of_gone
; GONE-NOT: @hidden(

@data_of_gone = internal constant [2 x i32] [i32 1, i32 2]
@counter = internal global i32 0

define linkonce_odr i32 @called(i32 %x) nounwind comdat {
  %y = mul i32 %x, 3
  ret i32 %y
}

define linkonce_odr i32 @from_constant(i32 %x) comdat {
  %y = mul i32 %x, 5
  ret i32 %y
}

; Addresses stay the symbol's.
; CHECK-DAG: declare i32 @from_constant(i32)
; CHECK-DAG: declare i32 @taken(i32)
define linkonce_odr i32 @taken(i32 %x) comdat {
  %y = mul i32 %x, 7
  ret i32 %y
}

define linkonce_odr i32 @gone(i32 %x) comdat {
  %y = call i32 @only_gone_uses(i32 %x)
  ret i32 %y
}

define internal i32 @only_gone_uses(i32 %x) {
  %p = getelementptr [2 x i32], ptr @data_of_gone, i32 0, i32 %x
  %y = load i32, ptr %p
  %z = call i32 @called(i32 %y)
  ret i32 %z
}

define linkonce_odr hidden i32 @hidden(i32 %x) comdat {
  %y = mul i32 %x, 11
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @no_symbol(
define linkonce_odr i32 @no_symbol(i32 %x) comdat {
  %y = mul i32 %x, 13
  ret i32 %y
}

; CHECK: define linkonce_odr hidden i32 @hidden_taken(
define linkonce_odr hidden i32 @hidden_taken(i32 %x) comdat {
  %y = mul i32 %x, 17
  ret i32 %y
}

; CHECK: define i32 @strong(
define i32 @strong(i32 %x) {
  %y = mul i32 %x, 19
  ret i32 %y
}

; CHECK: define weak_odr i32 @explicit(
define weak_odr i32 @explicit(i32 %x) comdat {
  %y = mul i32 %x, 23
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @in_used(
define linkonce_odr i32 @in_used(i32 %x) comdat {
  %y = mul i32 %x, 29
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @one_of_group(
define linkonce_odr i32 @one_of_group(i32 %x) comdat($group) {
  %y = mul i32 %x, 31
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @other_of_group(
define linkonce_odr i32 @other_of_group(i32 %x) comdat($group) {
  %y = mul i32 %x, 37
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @other(
define linkonce_odr i32 @other(i32 %x) comdat {
  %y = mul i32 %x, 41
  ret i32 %y
}

; CHECK: define linkonce_odr i32 @unknown(
define linkonce_odr i32 @unknown(i32 %x) comdat {
  %y = mul i32 %x, 43
  ret i32 %y
}

define linkonce_odr i32 @second(i32 %x) comdat {
  %y = mul i32 %x, 47
  ret i32 %y
}

define i32 @own_data() {
  %x = load i32, ptr @counter
  %y = add i32 %x, 1
  store i32 %y, ptr @counter
  ret i32 %y
}

; CHECK: define i32 @user(
; CHECK: [[SLOT:%.*]] = load ptr, ptr @called.import_slot, align 8, !invariant.load ![[NOTHING:[0-9]+]], !nonnull ![[NOTHING]]
; CHECK-NEXT: call i32 [[SLOT]](i32 %x) #[[PROMISE:[0-9]+]]
; CHECK: load ptr, ptr @hidden.import_slot
; CHECK: load ptr, ptr @second.import_slot
; CHECK: load ptr, ptr @taken.import_slot
; CHECK: call void @take(ptr @taken)
; CHECK: call void @take(ptr @no_symbol)
define i32 @user(i32 %x) {
  %a = call i32 @called(i32 %x)
  %b = call i32 @hidden(i32 %a)
  %c = call i32 @second(i32 %b)
  %d = call i32 @taken(i32 %c)
  call void @take(ptr @taken)
  call void @take(ptr @no_symbol)
  %e = call i32 @in_used(i32 %d)
  %f = call i32 @one_of_group(i32 %e)
  %g = call i32 @other_of_group(i32 %f)
  %h = call i32 @other(i32 %g)
  %i = call i32 @unknown(i32 %h)
  ret i32 %i
}

declare void @take(ptr)
; CHECK: attributes #[[PROMISE]] = { nounwind }
