; What a front end leaves in one way or another by the order in which it met things makes no other function of one.
; RUN: opt -passes=jl-identity<print> -disable-output %s | FileCheck %s
; RUN: opt -passes=jl-identity<print;O0> -disable-output %s | FileCheck --check-prefix=ASIS %s
target triple = "x86_64-unknown-linux-gnu"

$shared = comdat any

declare i32 @personality(...)
declare void @may_throw(ptr)

; Known not to throw once it is read.
define internal void @cannot_throw(ptr %p) {
  store i32 1, ptr %p
  ret void
}

; CHECK: [[CALL:[0-9a-f]+]] local by_call
; ASIS: [[CALL:[0-9a-f]+]] local by_call
define internal void @by_call() {
  %a = alloca i32
  call void @cannot_throw(ptr %a)
  call void @may_throw(ptr %a)
  ret void
}

; CHECK-NEXT: [[CALL]] local by_invoke
; ASIS-NOT: [[CALL]] local by_invoke
define internal void @by_invoke() personality ptr @personality {
  %exception = alloca ptr
  %a = alloca i32
  invoke void @cannot_throw(ptr %a) to label %next unwind label %pad
next:
  call void @may_throw(ptr %a)
  ret void
pad:
  %caught = landingpad { ptr, i32 } cleanup
  %pointer = extractvalue { ptr, i32 } %caught, 0
  store ptr %pointer, ptr %exception
  resume { ptr, i32 } %caught
}

; What may throw keeps its landing pad, and is another one.
; CHECK-NOT: [[CALL]] local by_needed_invoke
define internal void @by_needed_invoke() personality ptr @personality {
  %a = alloca i32
  call void @cannot_throw(ptr %a)
  invoke void @may_throw(ptr %a) to label %next unwind label %pad
next:
  ret void
pad:
  %caught = landingpad { ptr, i32 } cleanup
  resume { ptr, i32 } %caught
}

; Where variables and blocks stand.
; CHECK: [[PLACES:[0-9a-f]+]] local in_one_order
define internal i32 @in_one_order(i1 %c) {
  %a = alloca i32
  %b = alloca i64
  br i1 %c, label %left, label %right
left:
  call void @may_throw(ptr %a)
  br label %done
right:
  call void @may_throw(ptr %b)
  br label %done
done:
  ret i32 0
}

; CHECK-NEXT: [[PLACES]] local in_another_order
define internal i32 @in_another_order(i1 %c) {
  %unused = alloca ptr
  %b = alloca i64
  %a = alloca i32
  br i1 %c, label %left, label %right
right:
  call void @may_throw(ptr %b)
  br label %done
done:
  ret i32 0
left:
  call void @may_throw(ptr %a)
  br label %done
}

; The variables are others.
; CHECK-NOT: [[PLACES]] local with_variables_changed
define internal i32 @with_variables_changed(i1 %c) {
  %a = alloca i32
  %b = alloca i64
  br i1 %c, label %left, label %right
left:
  call void @may_throw(ptr %b)
  br label %done
right:
  call void @may_throw(ptr %a)
  br label %done
done:
  ret i32 0
}

; An explicit instantiation's constructors have two symbols, one an alias.
@as_alias = weak_odr alias void (ptr), ptr @both
@replaceable = weak alias void (ptr), ptr @both

; CHECK: shareable both
define weak_odr void @both(ptr %p) comdat($shared) {
  call void @may_throw(ptr %p)
  ret void
}

; CHECK-NEXT: [[DIRECT:[0-9a-f]+]] local calls_directly
define internal void @calls_directly(ptr %p) {
  call void @both(ptr %p)
  ret void
}

; CHECK-NEXT: [[DIRECT]] local calls_the_alias
define internal void @calls_the_alias(ptr %p) {
  call void @as_alias(ptr %p)
  ret void
}

; Another file's may be called.
; CHECK-NOT: [[DIRECT]] local calls_what_may_be_replaced
define internal void @calls_what_may_be_replaced(ptr %p) {
  call void @replaceable(ptr %p)
  ret void
}

; An address may be compared, and two names have two.
; CHECK: [[ADDRESS:[0-9a-f]+]] local takes_the_address
define internal ptr @takes_the_address() {
  ret ptr @both
}

; CHECK-NOT: [[ADDRESS]] local takes_the_alias
define internal ptr @takes_the_alias() {
  ret ptr @as_alias
}
