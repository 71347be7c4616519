"""Transfer learning: a classifier for a few images, on top of a ResNet-18 that has seen many.

    python pytorch_train.py --num_epochs 30 --output_dir ./outputs [--data_dir FOLDER]

FOLDER has train/ and val/, each with one folder of images for each class. Without it the script brings 200 small scans of
the digits 3 and 8. Needs torch, torchvision and Pillow. Inside a run its metrics go to the run; on its own they are printed.

Writes model.pt to the output folder: weights, class names and what the images must be brought to; `export_onnx.py` reads it.
"""

import argparse
import base64
import copy
import os
import pathlib
import zlib

import torch
from azureml.core import Run
from PIL import Image
from torch import nn
from torchvision import datasets, models, transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which the pretrained weights expect


def read_images(folder, size):
    """All images below `folder` as one tensor [N, 3, size, size], their class numbers, and the names of the classes."""
    prepare = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    found = datasets.ImageFolder(folder, prepare)
    images = torch.stack([image for image, _ in found])
    return images, torch.tensor(found.targets), found.classes


def make_model(classes, weights):
    """ResNet-18 with a new last layer. `weights`: 'imagenet', 'none', or a file with a state dictionary of torchvision's."""
    model = models.resnet18(weights="IMAGENET1K_V1" if weights == "imagenet" else None)
    if weights not in ("imagenet", "none"):
        model.load_state_dict(torch.load(weights, weights_only=True))
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


@torch.no_grad()
def features_of(model, images, batch_size):
    """What the last layer sees of each image. The same in every epoch when the layers below are frozen, so asked once."""
    below = nn.Sequential(*list(model.children())[:-1], nn.Flatten()).eval()
    return torch.cat([below(batch) for batch in images.split(batch_size)])


def one_epoch(module, inputs, labels, batch_size, optimizer=None):
    """Mean loss and accuracy over all inputs, in random order; trains when there is an optimizer."""
    loss_function = nn.CrossEntropyLoss()
    order = torch.randperm(len(labels))
    loss_sum, right = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for batch in order.split(batch_size):
            scores = module(inputs[batch])
            loss = loss_function(scores, labels[batch])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(batch)
            right += (scores.argmax(1) == labels[batch]).sum().item()
    return loss_sum / len(labels), right / len(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_epochs", type=int, default=25)
    parser.add_argument("--output_dir", default="./outputs")
    parser.add_argument("--data_dir", help="folder with train/ and val/ (default: the digits of this file)")
    parser.add_argument("--image_size", type=int, help="default: 224, for the digits 32")
    parser.add_argument("--weights", help="imagenet (downloaded once; the default), none, or a file; for the digits: none")
    parser.add_argument("--fine_tune", action="store_true", help="train all layers, not only the last one")
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    run = Run.get_context()
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Random layers are enough to tell two digits apart; photographs need those that ImageNet has taught.
    data = args.data_dir or write_digits("./digits")
    size = args.image_size or (224 if args.data_dir else 32)
    weights = args.weights or ("imagenet" if args.data_dir else "none")

    train_images, train_labels, classes = read_images(os.path.join(data, "train"), size)
    val_images, val_labels, val_classes = read_images(os.path.join(data, "val"), size)
    if classes != val_classes:
        raise SystemExit(f"train/ has the classes {classes}, val/ has {val_classes}")
    print(f"{len(train_labels)} images to train with, {len(val_labels)} to validate with; classes {', '.join(classes)}; on {device}")
    train_labels, val_labels = train_labels.to(device), val_labels.to(device)
    train_images, val_images = train_images.to(device), val_images.to(device)

    model = make_model(len(classes), weights).to(device)
    if args.fine_tune:
        trained, train_inputs, val_inputs = model, train_images, val_images
    else:
        trained = model.fc
        train_inputs, val_inputs = (features_of(model, images, args.batch_size) for images in (train_images, val_images))
    optimizer = torch.optim.SGD(trained.parameters(), args.learning_rate, args.momentum)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.num_epochs)

    run.log("lr", args.learning_rate)
    run.log("momentum", args.momentum)
    best, best_weights = -1.0, None
    for epoch in range(args.num_epochs):
        trained.train()
        train_loss, train_acc = one_epoch(trained, train_inputs, train_labels, args.batch_size, optimizer)
        trained.eval()
        val_loss, val_acc = one_epoch(trained, val_inputs, val_labels, args.batch_size)
        schedule.step()
        for name, value in (("train_loss", train_loss), ("train_acc", train_acc), ("val_loss", val_loss), ("val_acc", val_acc)):
            run.log(name, value)
        print(f"epoch {epoch + 1}/{args.num_epochs}: train loss {train_loss:.4f}, val loss {val_loss:.4f}, val acc {val_acc:.4f}", flush=True)
        if val_acc > best:
            best, best_weights = val_acc, copy.deepcopy(model.state_dict())
    run.log("best_val_acc", best)
    print(f"best val acc {best:.4f}")

    os.makedirs(args.output_dir, exist_ok=True)
    torch.save({"state_dict": {name: tensor.cpu() for name, tensor in best_weights.items()}, "classes": classes, "image_size": size,
                "mean": MEAN, "std": STD}, os.path.join(args.output_dir, "model.pt"))  # fmt: skip


def write_digits(folder):
    """Writes the images below: 60 of each class to train/, 40 to val/. Gives the folder."""
    packed = zlib.decompress(base64.b85decode(DIGITS.replace("\n", "")))
    for number in range(200):
        name, index = "three" if number < 100 else "eight", number % 100
        levels = [level for byte in packed[number * 32 : number * 32 + 32] for level in (byte >> 4, byte & 15)]
        target = pathlib.Path(folder, "train" if index < 60 else "val", name)
        target.mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (8, 8))
        image.putdata([level * 17 for level in levels])
        image.save(target / f"{index:03d}.png")
    return folder


# 100 threes and 100 eights of 8 x 8 pixels, 4 bits each, from "Optical Recognition of Handwritten Digits" (E. Alpaydin and
# C. Kaynak, UCI Machine Learning Repository, CC BY 4.0), which scikit-learn brings as load_digits().
DIGITS = """
c-k$PdvuiLoyWiLJJ;OEd%Ct25c2NPT~`4!yW7)RCCvLrSFJ#1+U@Q+Z6Px~dvmQYW7j>k6`1K|+bS`Mc6+LnGI6)ZqKFf!wm^{twO$}FK?RiCfC%AgLT=<f
`*|k&$9s~Q=Y5{%clrLlzwd99IjHdAA=&eKr21`=)$K@gvifmTo7R3PJ9i=C{~(uDurH#jk0g6Syy#i~SWMd8$7D56d%o?>UDBeo>`C?>V*S_B!+lcU@1)#e
>0e4xcvuRYVJ+uMRb9HLvrD_*mX+To-_Lfj*5{~dK=Siwuk^XRqvE)f|5&=K=*l;SZ6mC`z*Fa0zeuHZdBRoSIqCbQhyo=?_9$!nu_2b$*Zb1!cYLK@$9lTt
DTHkmob9`2Y>@SQDPkA@B)j+<>1&*?PEVR-?HJGFvhKSq`vCDM4oOcHBm9$=W!AAtt<vX9X_Y1%f8V5IztxvifbadB?Z-xILe^vBm~>TkY09-W_hlvQld<m;
o=(TU!u_SQ@)su~zK4p*a(t?JEkr2&U9#46$Tx}GrS7D@)WpIc`F@bS`*=1<Ul@{a+EcJ}P4=!*oM5}=-kI|gZTdnX?ZZB6*Ew1L+?tl6aoHDUY_zWM98jR}
1o59xU~|Ef^`aES*ARACe7-5?S<^4ezyGj;=ZnT>VniNQAQrJUU02B3#W(RUDQ#tsO@4gl{*(BbiCcFS9pCitIDaY<IGe!!`lN~b%o9uM#^cfykm>ta{#W?l
HnHP=>x5(Qr9bO*t-_P6zbWF!cX=0lamVD0E#EJ>zGL6Pq?e?7$-nyI3Yhf?a8PVhYBHkf2Z8ekjvg%$Nb(aRHzrTYq;>n0Yxg}PyK~gB-^sO?eX{Y-H_bZv
UOLKEK;oOFtfrg$rQ6!1U5+dhAL4i&{${{;{uu?&4Jz<=yi$Fd{hioanblLRN#%GaHI7N+@;{GnG4eMXTNF*|i-ovy;GyMX1>RUA|Bcj5?N#<~Vt**B&n-`@
le;pL@=tWjeh^&NV1JeIwJxhfA*&2NbPlL`5-fZkY}bRGC^)xL?Ruc4!zxWgv~GfuC0>7vEtTBo11G9WYB88k8T?PE^5t$>*PUlS>mh1gm0kLJzD=bg<Zncw
3#@+{TcXtOT(GX{4n16qtMn)AACZ6ZlKemDm1Yea`^@=iEp5SmVqKVW{9^@IZYSG_L3j%PQc2y#Qy7!|;x>gwhh%*Q-)jkR-I%dIYyUWvwu@sxv0b4*oR)p#
DQO8;7l?tINLnv1&)R*QwTjptijkAeoKJjx8P2cB>L+)m)d>E{L2ysK<h0<{;0(UC+_fKSj3|eF%?Bd-BiJ&WHERm{T0KQ-J!>rITDy5a->&fVfPAC;Uj;^e
yxTr2YmGdfwMs`FH5}v}zW;lJtCC}<W7$B@tTtUDj*CCQ)sGaIxU9fS+&hc+!ug2hRi{J4skqfjuI?blSHRpbn5yKRP+!C!ulFj)TO(RQPL}jgS_AUG-VYa#
!;#=B2~k{3q}2e{m&3{9JLMaAQ@Y*M5d8YTHAxL;B3jG+(6}|l-lN1X#`;YOKs_t1?fCgPHm~haaH3zn{{p{JVjF6W2eVae8d;q**j0*kvwtnQi4Gfl6RX;^
Ch}<|z|;m;;SxD|XkdopE2mk%Ev=nPyVO!j+C@**-TeyO%>7aBUuO8DHtieDC9Pffyt-Y%Y1X%Je}$>-Xxg8QW&>m7)<AJKXI}cI{8t;LZ+*!6R`MHe*E?V8
*PPNe-2wi_Vs7}<23dCx%<zcjJ9>L=TKB<=3-&;JPl0H7?5po$AAVTRIr_Kiq;6n+&bX{&&9d9*Qv!p!$oaF|b;R!1f>M`ebN<Dhs%~fhLk2r*X6}DHat6oW
)3WKbJpyT`8zM9PX(RZoiTkeI;At_n5S(=Ug+iouBo^_11^+_i@Nei(h4rU&eW^pCqqwvZ+W(n?|HS>a@v(~j^{FmZl-l&!*Qu|)n$@;lp*ZzpQ)gP#rf+y>
;gV4WkFY-_y}b;-z-T2guoA8={zZpwF4DJ0WWBmx6+Igi{`ufc500#KwecHi1>vAON98|%QsI|)Z#Fp+_Gn&OPyJ<w?(J*WEg#6b)S`-0^x2!pQLvl*R<!BL
y&bv(&RslBkK)+_cU16H!k6~StQK^}6$KxS!}4Qhb=RouPm@!tv!mSq7ZuWq^8Tt(`s8I*yk_>pU$s*a`Enh)o}QUGXZX_5$!0IGZINSnzsI&|;@^;zpE|65
AN-Wuz!co_9TVF!x3rgu<WA}&Gb(HCgsP@W^8FB7!o)9NdgYQ1-EPi*3o4jU#aLbekG>i(+-X1;?$T#k;n*?9>KvnWphf=t(oFr<nEmxx-8aL3){1F2Tq;F^
Pj<5(A1r#0=C^Au@4>J7_Z@60$^TWb;WPMv_Y~+-fcF~Sa+K+UTd3i$5|+6?L|UL#u3MPYP4vW-Pv9RqV2t|wPhvBl^?KG-l`Z?9cmsYORpr#AEW__L^q+eA
UVs?i3{Q6+!kj&_egUp3FnfcME^vkxrgc*)qP|z)*LM{-cYH<{;g)VN>u^i55q(2%+)aOb+i=?!!h)S4qhl6j?XN6MTLo&T^L<&@J~453Gzb3@;L}M&0^905
<;NYXWdKOSV|s^eJ!Ouu9JI%wlw)lK>m};08$F^O_z!mBMC-@7NT4_G*ah;Rfn1(n!9pgfdGK?nkSuG7TXs8244ZgGbYE+`(HxpX3~DD$4&r(ko=Txd9-u#r
9^ibqFnD?<N2-tOIy6b*f@AG|g7||AAGI+b`$88D2YJ?Cw|YKetGv;FM`v_h4KWH7@wL{|e^6tlzhyA(Fx)Ht)?h|>QoeM(V~-FI!?zC*+spK%e}(I2p(g`|
LsmQ59Cg%)t*c&>zKf={h)>9HSCeC<Lmk#oMTb_xmAPl69~s;d`+Bn;b^XbjbnsvzqWm!Z`zjP-`l^W?_FR|G8vNUDrjk|({N}HMU)JYRy9Io-I-PJNnywk4
J_?-IicP<HmhZ_!t<m4Dj^$LO{fF+zY90L5d`SNHe?{!5waOu*-P};NIvsu@%KgM-J~6tr30}(Zj={+iPdy0O!}s*48gZD}BTewm7ft-Y&ZnBPfm0Rz{%fmF
ky}rjejpvV3^s{r^nk0F>9t#3>uNNsPO$h}FtP#tuoV2&5sUr6e-HZjf8eU!V0sIm^JvEPvpm&I;a)#92++@AOUr}AmIid<fwX?J#St*^F_wha$K`)6%ez2n
=Np`vbF>x?sbkj2gMr?+<o|fTtlg~LL%wqBrEk=@s)@N}j%z(jzvkW49{HLM)3#nvaB!cjqa$U#U;$Z8_Luvmg~kYu(u;SaMU2chqsm2U{TjLGBvoIgMoVzd
_5^bbIE!(Aky_tzc1Ev#p1&DzzXTlB9-OJs=kWavauwrm6FF%`KbT%@^kW_SJK59SN_~*OuMvyQ)Iu{gN?Gf&k^i*d{qb_iXsxLsaG1fK6rX{$fQGs`XC;2D
co#`*G#quAyGm&d%QswrE;uOl9#s6E?92P8u|&i=37$F+GA1ztoXDY1=yi**xs_NYHhZcYckL;t?{(}v1D>J>XU;gu{g;YmJ#3c-fbvBJ#^Bo)`t>66+d{ma
J?rW=>bQ>YUZsvdU~XH$eF^p#_`ds-8GX8G5Q*OGXej0>!2q=tNcOS+ol#d!;3<kv`@qPx;j*o&eEt992gfJit4VssAba;Q58Qgi(?W8QL6fd#Ca5FUnNzaH
sJj#3YcBl0gfooJZ$<atM!ZvCVB!TvG4Qm~aOyK<4X-G(MLqdyW&H!R=3eThfitQNXBG`_qwVNz88~(Hwz&2#OKSnWu!%gMB!{E*5$)RKDgzIkMDLHnQz`H<
=Y(S&ZS=xDYnWGgH^K8$w8+nDJbI9;h1~JhJkQtP%p7sLOrv_hyhHpO$oT?d^oP5%fsezUJ@#$vBv!xX*-MTVvK~VZeGfgogZVyYFn?A4(?=9KxKi+gqZQ+h
-TUQq=vqbAO1v5=Ys4}7>Tol?AO2lF?b^fGH&W;LOW=Dp_B0~oH#B4wHTrc-{&NY1UaLnZ&^vPMf40@tj^!Q1GpReeUF-O&Y<RTA3G`u40e%=ToKC;Z@tOYa
8*X&N+hVTofT>L|I=qYT;M^wsU&?&-{x21J{#|O(_>Dg6njhEinXybST|6DJhQnRKiA8BUM}C)(vtOX6c4k~HrtaoVd-nFF>EK|4t4;WyX`hMBPTrl*-_JZ6
QE^{d$12dn<aj>Mj#@_>0N$NXGC%&5`7h_`4Eau&dE&JEJ-?Li6?EJE<YMkwS<|bWijQi&Ko32!1Xh|F;6m)L!k^fC==YKn?2mcAX>b}Nrn_3>8mBj8IAaAG
VT?KIG(BV!YesYJZE)a|i0=InyxYtDt*(E#p8OTjeB`XYmH*M8mE_{H-*$AYl-A)+udL5wy|T{Cll|Iaumv~Y^$L=c++-_VoqycX_%&JWb3DBk%<BF>Fux#!
C$=hds?N2?IJ-d1_lC3Dcy|~2xlQ-~H<G&K_^;;BiTHDX{O%zKBlN@OZxNGg%%`QSJsis#J)w-j57@rUyG`_tmGte2V$vFB{>~BG{3i+w)h2_zDbLi3);~rq
6g*#7)YVQt$Ec_8F%Ry8Pw)6SeRB$(_()O}1xMGLy6Hh{|CV*;#UOaB;Qbi+UQdr}rM5bI6#VENX10}{ZbzdnLW6AOtf!ejV%V0ThR!`I9hr-EW<Cf`xLUP5
u19Jjsy`y%aro=%Q`83h8=!AhkdG+)*Q|lN*k6Ad8@Ox#vaG^=rxXNJ%NI&NsixjmqrZ6n7<Kroo3jegjDo}>x|Y7U1U#_TG$P;7JkP%L58R#aSBUu3w=!4J
qv{9C^>1I}{EhRI<ho0t{q)8;S-r+Q^!#~QnKonwJh_&h9b{JX(G04e%Bp&OQlU$Z)jX`=DQ1Z^b*!1+-S&cM;!}G+`i1&g0>2JDjm>vw<=et#C*ZI==W&06
nurcDZ>@E#?O!zZ_sd`KwB+8bmNntS8T2MD9Yil}ZF11CSuN#=u}9_a2d{s`zZf<3;RB8a5v(hZ$F<^`0w3q%{=?^7s}FM~+fdKHB?ip&P4Gnn@f&?a>aU9E
S<~al&tACa44l<C>1p-*@LpaO9s3m8PJD{g?+LWl+tg@+dRfMNH=ck$6Y=0%hF`$kPU80_`CLV8;ZNUq#;eFOV;la=Bkz0R&R-Ib8_4J4m*t--FdtRBI!2$b
H9hG?SFch73#qHdQ;ZzLPDM}A^-Y=IbLgvEv3m<KTmBMagx<2dkk#;NSD%>vO4`Pl`OWW+vx)aI=A(%`_QBy(^n)Dd_a>5hVQsq_jymS2PV4x98|v8Q_<!;q
HRi~kPGU1TzJ=b_fCib$%O1Q1%=MP-w}yU2e6erwWLit9zv-M4zM6^$ub|DLT>k`iy#76Sn%aP-{iRc?+R+YN+h*!B*3hN|{9H#*wfTJ03uuJR;QnP<t!74~
m-+iV+4S%*bxz&-hg%dr4Y$z$RU`&`@#9wZE@U=1F{!}7v$C%c-zsLfx+Q6?Vt%-R{M>qhV+zdwwX%<|m9B>$&Dk~UJk6rsD~Q3ySX@KZo^OmAxyAer3s5Rs
BC6zF<`<Q&$T|-{WWaMZ7@N=cdAMX9=P$z7D?`ZZeg)5Cm(i<rTj@*7ljVMV{U@$fEX70PdH9!oi_M*gxLSHg6}@wAU&JaFvf-grJTP$*f2NGiO|qU=)p2wK
TEYBAi>^@$pD(5&)?jT~TRJ0JLVPO^p-Br!y-tPC603FP-_RV*GUsF8U!mDj1JDdMj+@_;&F}Q@MATS)S~tLB%*cV^ycZmJ5q(Mgw!)hO(WC|uajBQ7%WVo?
zQEZ3+zh|X=gz02p8hm9Th=u%K12UKqF~o|WpRGFM;%VZef{W<0%xroQfO$Sg68*^UxS}|aM{cL!5a3X@8*uk9xur{3uiT*nK^$mv(M8p^b-HC+oRCg#}wZ7
efqEIndrtxs?&O<%G4+Nq2va~i0zsA%!}mS{N^->)*0n<3~s%XJe5|$5!LK}eg<2&F~2>=y6JULNa+1uh2DL*j7@7l{5Y^Y=^vWgr40PG;Jo9z@VFP;*63&x
_Ef{C%NE786#r*WyZ;B^m@wA
"""


if __name__ == "__main__":
    main()
